# SPDX-License-Identifier: MIT
"""docs/openapi.yaml against the monitor: every example, and 500 mutations of their bodies, judged by a validator that
shares nothing with the monitor's but the YAML. No KVM is needed: the VM is never started, or starts and ends."""

import copy
import json
import random
import subprocess
import sys

import yaml
from client import Monitor, hello
from lib import Suite, eq

suite = Suite()
DOC = yaml.safe_load(open("docs/openapi.yaml"))
SCHEMAS = DOC["components"]["schemas"]
FORM = {"bad_json", "missing_field", "unknown_field", "wrong_type", "out_of_range", "unsupported", "no_body"}
KINDS = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
# What the form does not tell: files that are not there, values with a grammar of their own.
MEANING = {"bad_value", "host_error", "wrong_phase", "no_kernel", "no_such_device", "id_mismatch", "bad_id"}


def operations():
    for path, item in DOC["paths"].items():
        for method in ("get", "put", "patch", "delete"):
            if method in item:
                yield method.upper(), path, item[method]


def body_schema(op):
    return op["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]


def examples(m):
    """(method, path with an id, operation, body) of every example."""
    files = {"@hello@": hello(), "@disk@": m.disk(), "@log@": m.file("log"), "@metrics@": m.file("metrics"),
             "@console@": m.file("console"), "@dir@": m.dir}
    for method, path, op in operations():
        if "requestBody" not in op:
            continue
        for example in op["requestBody"]["content"]["application/json"]["examples"].values():
            text = json.dumps(example["value"])
            for mark, name in files.items():
                text = text.replace(mark, name)
            body = json.loads(text)
            ident = body.get(op.get("x-id", ""), "x")
            yield method, path.split("{")[0] + ident if "{" in path else path, op, body


def fits(schema, value):
    """Does value have the form that the YAML describes?"""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rsplit("/", 1)[1]]
    kind = KINDS[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "x-only" in schema and value not in schema["x-only"] and value != []:
        return False
    if kind is int:
        return schema.get("minimum", -(2**62)) <= value <= schema.get("maximum", 2**63 - 1)
    if kind is list:
        return (schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 1024) and
                all(fits(schema.get("items", {"type": "object"}), v) for v in value))
    if kind is dict and "properties" in schema:
        # null is "not given"
        given = {k: v for k, v in value.items() if v is not None or k in schema.get("required", [])}
        return (all(k in given for k in schema.get("required", [])) and len(given) >= schema.get("minProperties", 0) and
                set(value) <= set(schema["properties"]) and all(fits(schema["properties"][k], v) for k, v in given.items()))
    return True


def spots(value, path=()):
    """Every place in a body."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for k, v in items:
        yield from spots(v, path + (k,))


JUNK = [None, True, False, 0, 1, -1, 2, 2**31, 2**63 - 1, -(2**62), 1.5, "", "x", "\u0001", "é", "a" * 3000, [], {},
        [None], {"a": {"b": []}}, "None", "Full", "../../etc/passwd", "%s%n", [[[[]]]]]


def mutated(rng, body):
    body = copy.deepcopy(body)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        path = rng.choice(list(spots(body)))
        if not path:
            if isinstance(body, dict) and rng.random() < 0.8:
                body[rng.choice(("nope", "id", "drive_id", "rate_limiter", "fd", "state", ""))] = rng.choice(JUNK)
            else:
                body = rng.choice(JUNK)
            continue
        holder = body
        for k in path[:-1]:
            holder = holder[k]
        what = rng.randrange(3)
        if what == 0 and isinstance(holder, dict):
            del holder[path[-1]]
        elif what == 1 and isinstance(holder, dict):
            holder[str(path[-1]) + "x"] = holder.pop(path[-1])
        else:
            holder[path[-1]] = rng.choice(JUNK)
    return body


def well(reply, what):
    """Every refusal has the form of Error, and a code that is known."""
    if reply.status in (200, 204):
        return None
    fault = reply.json()
    assert fits({"$ref": "#/components/schemas/Error"}, fault), f"{what}: {fault}"
    assert fault["fault_message"], what
    return fault["code"]


def revive(m, reply):
    """Where there is KVM a start succeeds, and the guest ends with its monitor."""
    if reply.status != 204:
        return
    try:  # it may be gone already, or on its way
        started = m.call("GET", "/").json().get("state") != "Not started"
    except (OSError, EOFError):
        started = True
    if started:
        m.conn.close()
        eq(m.wait(), 0, "hello")
        m.start()


@suite.case
def examples_are_taken():
    with Monitor() as m:
        n = 0
        for method, path, op, body in examples(m):
            reply = m.call(method, path, body)
            code = well(reply, path)
            if "N" not in op["x-phases"]:
                eq((reply.status, code), (400, "wrong_phase"), f"{method} {path}")
            else:
                assert code not in FORM, f"{method} {path} {body}: {reply}"
                if path not in ("/actions", "/vm", "/snapshot/load"):
                    eq(reply.status, 204, f"{method} {path} {body}: {reply}")
            n += 1
            try:
                revive(m, reply)
            except (EOFError, ConnectionError):
                m.conn.close()
                m.wait()
                m.start()
        assert n > 20, n


@suite.case
def answers_have_their_schema():
    with Monitor("--id", "v1") as m:
        for method, path, op in operations():
            content = op.get("responses", {}).get("200", {}).get("content", {})
            if method != "GET" or "application/json" not in content:
                continue
            reply = m.call(method, path)
            eq(reply.status, 200, path)
            name = content["application/json"]["schema"]["$ref"]
            if path != "/vm/config":  # boot-source is required of a body, not of an answer
                assert fits({"$ref": name}, reply.json()), f"{path}: {reply}"
            eq(reply.fields["Content-Type"], "application/json", path)
        eq(m.call("GET", "/").json()["id"], "v1")


@suite.case
def left_out_calls_say_why():
    with Monitor() as m:
        n = 0
        for method, path, op in operations():
            if "x-left-out" not in op:
                continue
            reply = m.call(method, path.replace("{id}", "a"), None if method in ("GET", "DELETE") else {})
            eq(reply.status, 400, path)
            eq(reply.json()["fault_message"], op["x-left-out"], path)
            eq(reply.json()["code"], "unsupported", path)
            n += 1
        assert n > 15, n


@suite.case
def mutations_500():
    rng = random.Random(4)
    refused = 0
    with Monitor() as m:
        base = list(examples(m))
        for i in range(500):
            method, path, op, body = rng.choice(base)
            body = mutated(rng, body)
            text = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode()
            broken = rng.random() < 0.1
            if broken:
                cut = rng.randrange(1, len(text)) if len(text) > 1 else 0
                text = rng.choice((text[:cut], text + b"}", b"\xff" + text, text.replace(b'"', b"'", 1) if b'"' in text else b"'"))
            try:
                reply = m.call(method, path, text) if text else None
            except (EOFError, ConnectionError):
                reply = None
            if reply is None:
                continue
            what = f"{i}: {method} {path} {text[:300]!r} -> {reply}"
            code = well(reply, what)
            refused += code is not None
            try:
                sent = json.loads(text)
                valid = fits({"$ref": "#/components/schemas/" + body_schema(op)}, sent)
                # Which of two is there is not in the schema.
                if valid and path == "/snapshot/load" and not ("mem_file_path" in sent or "mem_backend" in sent):
                    valid = False
            except (ValueError, UnicodeDecodeError):
                valid = False
            if valid:
                one_of_two = path == "/snapshot/load" and code == "missing_field"  # mem_file_path or mem_backend
                assert code is None or code in MEANING or one_of_two, what
            else:
                assert code in FORM, what
            try:
                revive(m, reply)
            except (EOFError, ConnectionError):
                m.conn.close()
                m.wait()
                m.start()
        eq(m.call("GET", "/").status, 200, "it lives")
    assert refused > 250, refused


@suite.case
def docs_have_the_tables():
    want = subprocess.run([sys.executable, "scripts/openapi.py", "--docs", "docs/openapi.yaml"],
                          capture_output=True, text=True, check=True).stdout
    with open("docs/api.md") as f:
        text = f.read()
    for table in want.strip().split("\n\n"):
        assert table in text, "docs/api.md is behind docs/openapi.yaml: put in\n" + table
