# SPDX-License-Identifier: MIT
"""lib.py: what the tests of the examples share: cases, server processes, an HTTP client that shows everything.

A case is a function; it fails by an exception, and it skips by raising Skip. Nothing here measures time: a
socket's time-out of PATIENCE seconds is only there so that a hang becomes a failure.
"""

import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
import traceback

PATIENCE = 60


class Skip(Exception):
    pass


class Suite:
    def __init__(self):
        self.cases = []

    def case(self, f):
        self.cases.append(f)
        return f

    def run(self, only=None):
        passed = failed = skipped = 0
        for f in self.cases:
            name = f.__module__.removeprefix("check_") + "." + f.__name__
            if only and only not in name:
                continue
            try:
                f()
            except Skip as e:
                skipped += 1
                print(f"skip {name}: {e}", flush=True)
            except Exception:  # a case that fails in any way is one failed case
                failed += 1
                print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
            else:
                passed += 1
                print(f"ok   {name}", flush=True)
        return passed, failed, skipped


def eq(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def need(tool):
    if not shutil.which(tool):
        raise Skip(f"{tool} is not installed")
    return tool


class TempDir(tempfile.TemporaryDirectory):
    def __init__(self):
        super().__init__(prefix="mayfly-examples-")


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server program, ready when it has printed `ready`. Its port was free a moment ago; should somebody have
    taken it meanwhile (the program says so by exit status 2), another one is tried."""

    def __init__(self, argv, ready, kind=socket.SOCK_STREAM, prefix=()):
        for _ in range(5):
            self.port = free_port(kind)
            self.proc = subprocess.Popen(
                [*prefix, argv[0], "-p", str(self.port), *argv[1:]], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            self.out = b""
            if self.wait_for(ready):
                return
            status = self.proc.wait()
            err = self.proc.stderr.read().decode(errors="replace")
            self.close()
            if status != 2 or "in use" not in err:
                raise AssertionError(f"{argv[0]} ended with {status}: {err}")
        raise AssertionError("no free port")

    def wait_for(self, text):
        """Reads standard output until text is in it; False at its end."""
        while text.encode() not in self.out:
            ready, _, _ = select.select([self.proc.stdout], [], [], PATIENCE)
            if not ready:
                raise AssertionError(f"no {text!r} in {self.out!r}")
            data = os.read(self.proc.stdout.fileno(), 65536)
            if not data:
                return False
            self.out += data
        return True

    def pid(self):
        """The program's, also below strace."""
        with open(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children") as f:
            children = f.read().split()
        return int(children[0]) if children else self.proc.pid

    def anon_kib(self):
        with open(f"/proc/{self.pid()}/status") as f:
            return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1))

    def kill(self):
        self.proc.kill()
        return self.proc.wait()

    def close(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        self.proc.stdout.close()
        self.proc.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        alive = self.proc.poll() is None
        err = b""
        if not alive:
            err = self.proc.stderr.read()
        self.close()
        if exc[0] is None and not alive and self.proc.returncode != -9:
            raise AssertionError(f"the server ended with {self.proc.returncode}: {err!r}")


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __getitem__(self, name):
        return self.headers.get(name.lower())


class Http:
    """One connection, bytes in and parsed responses out; refuses a response that is not what HTTP says."""

    def __init__(self, server):
        self.sock = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
        self.buf = bytearray()

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def fill(self):
        data = self.sock.recv(65536)
        self.buf += data
        return bool(data)

    def take(self, n):
        data = bytes(self.buf[:n])
        del self.buf[:n]
        return data

    def recv(self, head_only=False):
        while b"\r\n\r\n" not in self.buf:
            if not self.fill():
                raise AssertionError(f"closed within a head: {self.buf!r}")
        line, *fields = self.take(self.buf.index(b"\r\n\r\n") + 4)[:-4].decode("latin-1").split("\r\n")
        m = re.fullmatch(r"HTTP/1\.1 (\d{3}) .+", line)
        assert m, line
        headers = {}
        for f in fields:
            name, value = f.split(": ", 1)
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        status = int(m.group(1))
        length = 0 if head_only or status == 304 else int(headers["content-length"])
        while len(self.buf) < length:
            if not self.fill():
                raise AssertionError(f"closed after {len(self.buf)} of {length} bytes")
        return Response(status, headers, self.take(length))

    def get(self, target="/", *headers, method="GET", version="1.1"):
        lines = [f"{method} {target} HTTP/{version}", "Host: t", *headers, "", ""]
        self.send("\r\n".join(lines))
        return self.recv(method == "HEAD")

    def at_end(self):
        """True when the server has closed without another byte."""
        return not self.buf and not self.fill()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def run(argv, **kw):
    return subprocess.run(argv, capture_output=True, timeout=10 * PATIENCE, **kw)


def until(condition, what):
    """Polls until condition() holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"never: {what}")
        time.sleep(0.02)
