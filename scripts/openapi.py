#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""openapi.py IN.yaml OUT.c OUT_CALLS.c OUT.h: the monitor's routing and validation tables out of docs/openapi.yaml, and what
calls the handlers.
openapi.py --docs IN.yaml: the tables of docs/api.md (tests/api compares them)."""
import json
import sys

import yaml

METHODS = {'get': 'METHOD_GET', 'put': 'METHOD_PUT', 'patch': 'METHOD_PATCH', 'delete': 'METHOD_DELETE'}
TYPES = {'string': 'SCHEMA_STRING', 'integer': 'SCHEMA_INTEGER', 'boolean': 'SCHEMA_BOOLEAN',
         'object': 'SCHEMA_OBJECT', 'array': 'SCHEMA_ARRAY'}
PHASES = {'N': 'not started', 'R': 'running', 'P': 'paused'}


def c_name(text):
    return ''.join('_' + ch.lower() if ch.isupper() else ch for ch in text.replace('ID', 'Id'))


def ref_name(schema):
    return schema['$ref'].rsplit('/', 1)[1] if '$ref' in schema else None


class Pool:
    """Text and lists of text, each thing once; places are what the tables hold."""
    def __init__(self):
        self.at, self.text, self.size, self.lists, self.list_at = {}, [], 1, [0], {}

    def put(self, text):
        if text is None:
            return 0
        if text not in self.at:
            self.at[text] = self.size
            self.text.append(text)
            self.size += len(text.encode()) + 1
        return self.at[text]

    def put_list(self, values):
        key = tuple(v if isinstance(v, str) else json.dumps(v) for v in values)
        if key not in self.list_at:
            self.list_at[key] = len(self.lists)
            self.lists += [len(key)] + [self.put(v) for v in key]
        return self.list_at[key]


def entry(values):
    return '\t{%s},' % ', '.join('.%s = %s' % kv for kv in values.items())


def field(pool, name, prop, required):
    ref = ref_name(prop)
    kind = 'object' if ref else prop['type']
    out = {'name': pool.put(name), 'type': TYPES[kind], 'required': 'true' if required else 'false'}
    if kind == 'integer':
        out['min'] = 'INT64_C(%d)' % prop.get('minimum', -2**62)
        out['max'] = 'INT64_C(%d)' % prop.get('maximum', 2**63 - 1)
    if kind == 'array':
        item = prop.get('items', {'type': 'object'})
        ref = ref_name(item)
        out['item'] = TYPES['object' if ref else item['type']]
        out['min'] = prop.get('minItems', 0)
        out['max'] = prop.get('maxItems', 1024)
    if 'enum' in prop:
        out['values'] = pool.put_list(prop['enum'])
    if 'x-only' in prop:
        out['only'] = pool.put_list(prop['x-only'])
        out['why'] = pool.put(prop['x-why'])
    if ref:
        out['ref'] = 'SCHEMA_ID_' + ref
    if 'x-config' in prop:
        out['config'] = pool.put(prop['x-config'])
    return entry(out)


def bodies(doc):
    """Names of the schemas that come in, each after those that it needs."""
    order, schemas = [], doc['components']['schemas']

    def visit(name):
        if name in order:
            return
        for prop in schemas[name].get('properties', {}).values():
            inner = ref_name(prop) or ref_name(prop.get('items', {}))
            if inner:
                visit(inner)
        order.append(name)
    for _, _, op in calls(doc):
        if 'requestBody' in op:
            visit(ref_name(op['requestBody']['content']['application/json']['schema']))
    return order


def calls(doc):
    for path, item in doc['paths'].items():
        for method, op in item.items():
            if method in METHODS:
                yield path, method, op


def route(pool, path, method, op):
    start = path.find('{')
    out = {'path': pool.put(path[:start] + '{}' if start >= 0 else path), 'method': METHODS[method]}
    if 'x-left-out' in op:
        out['phases'] = 'PHASE_N | PHASE_R | PHASE_P'
        out['left_out'] = pool.put(op['x-left-out'])
    else:
        out['phases'] = ' | '.join('PHASE_' + p for p in op['x-phases'])
        out['call'] = 'CALL_' + op['operationId']
        if 'requestBody' in op:
            out['body'] = 'SCHEMA_ID_' + ref_name(op['requestBody']['content']['application/json']['schema'])
        if 'x-id' in op:
            out['id_field'] = pool.put(op['x-id'])
    return entry(out)


def header(doc):
    yield '/* Made by scripts/openapi.py out of docs/openapi.yaml. */\n#ifndef API_TABLES_H\n#define API_TABLES_H\n'
    yield 'enum schema_id {\n\tSCHEMA_ID_NONE,'
    yield from ('\tSCHEMA_ID_%s,' % name for name in bodies(doc))
    yield '};\n\nenum call_id {\n\tCALL_NONE,'
    yield from ('\tCALL_%s,' % op['operationId'] for _, _, op in calls(doc) if 'operationId' in op)
    yield '};\n\n#endif'


def tables(doc):
    all_schemas, pool, first = doc['components']['schemas'], Pool(), 0
    fields, schemas = [], ['\t{.name = 0},']
    for name in bodies(doc):
        s = all_schemas[name]
        assert s.get('additionalProperties') is False, name
        props = s['properties']
        fields += [field(pool, key, prop, key in s.get('required', [])) for key, prop in props.items()]
        schemas.append('\t[SCHEMA_ID_%s] = %s' % (name, entry({
            'name': pool.put(name), 'first': first, 'nfields': len(props),
            'min_properties': s.get('minProperties', 0)}).strip()))
        first += len(props)
    routes = [route(pool, *call) for call in calls(doc)]
    assert pool.size < 65536
    yield '/* Made by scripts/openapi.py out of docs/openapi.yaml. */'
    yield '#include "monitor/api/schema.h"\n#include "monitor/http/request.h"'
    yield '#include "api_tables.h"\n'
    yield 'const char schema_text[] =\n\t"\\0"\n%s;\n' % '\n'.join('\t%s "\\0"' % json.dumps(t) for t in pool.text)
    yield 'const uint16_t schema_lists[] = {%s};\n' % ', '.join(map(str, pool.lists))
    yield 'const struct schema_field schema_fields[] = {\n%s\n};\n' % '\n'.join(fields)
    yield 'const struct schema schemas[] = {\n%s\n};\n' % '\n'.join(schemas)
    yield 'const struct api_route api_routes[] = {\n%s\n};' % '\n'.join(routes)
    yield 'const unsigned api_nroutes = sizeof api_routes / sizeof *api_routes;'


def dispatch(doc):
    yield '/* Made by scripts/openapi.py out of docs/openapi.yaml. */'
    yield '#include "api_tables.h"\n#include "monitor/api/handlers.h"\n#include "monitor/api/schema.h"\n'
    yield 'int api_dispatch(unsigned call_number, struct api *api, struct api_call *call)\n{\n\tswitch (call_number) {'
    for _, _, op in calls(doc):
        if 'operationId' in op:
            yield '\tcase CALL_%s:\n\t\treturn api_%s(api, call);' % (op['operationId'], c_name(op['operationId']))
    yield '\t}\n\treturn 0;\n}'


def docs(doc):
    yield '| call | body | allowed | what |\n|---|---|---|---|'
    for path, method, op in calls(doc):
        if 'x-left-out' not in op:
            body = ref_name(op['requestBody']['content']['application/json']['schema']) if 'requestBody' in op else ''
            when = 'always' if op['x-phases'] == 'NRP' else ', '.join(PHASES[p] for p in op['x-phases'])
            yield '| `%s %s` | %s | %s | %s |' % (method.upper(), path, body, when, op.get('summary', ''))
    yield '\n| not served | answer (400, `unsupported`) |\n|---|---|'
    for path, method, op in calls(doc):
        if 'x-left-out' in op:
            yield '| `%s %s` | %s |' % (method.upper(), path, op['x-left-out'])
    yield '\n| property | only | since |\n|---|---|---|'
    for name in bodies(doc):
        for key, prop in doc['components']['schemas'][name]['properties'].items():
            if 'x-only' in prop:
                only = ', '.join('`%s`' % (v if isinstance(v, str) else json.dumps(v)) for v in prop['x-only']) or 'left out'
                yield '| %s.`%s` | %s | %s |' % (name, key, only, prop['x-why'])


def main():
    if sys.argv[1] == '--docs':
        print('\n'.join(docs(yaml.safe_load(open(sys.argv[2])))))
        return
    doc = yaml.safe_load(open(sys.argv[1]))
    for path, lines in zip(sys.argv[2:], (tables(doc), dispatch(doc), header(doc))):
        text = '\n'.join(lines) + '\n'
        with open(path, 'w') as dst:
            dst.write(text)


if __name__ == '__main__':
    main()
