# SPDX-License-Identifier: Apache-2.0
"""As much of JSON Schema as the schemas in docs/schema use, because Debian's
Python has none. A keyword that is not known here is an error, not ignored."""
import re

_TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool,
          'null': type(None), 'integer': int, 'number': (int, float)}
_SILENT = {'$schema', '$defs', '$id', 'title', 'description', 'default', 'examples',
           'deprecated'}


def problems(value, schema, root=None, at='$'):
    """What is wrong with `value`, one line each; empty: nothing."""
    root = root or schema
    found = []
    for keyword, expected in schema.items():
        if keyword in _SILENT:
            continue
        found += _check(keyword, expected, value, schema, root, at)
    return found


def _is_type(value, name):
    if isinstance(value, bool):
        return name == 'boolean'
    return isinstance(value, _TYPES[name])


def _check(keyword, expected, value, schema, root, at):
    if keyword == '$ref':
        target = root
        for part in expected.removeprefix('#/').split('/'):
            target = target[part]
        return problems(value, target, root, at)
    if keyword == 'type':
        names = expected if isinstance(expected, list) else [expected]
        ok = any(_is_type(value, name) for name in names)
        return [] if ok else [f'{at}: {value!r} is no {expected}']
    if keyword in ('properties', 'required', 'additionalProperties'):
        return _check_object(keyword, expected, value, schema, root, at)
    if keyword == 'items':
        return [p for i, item in enumerate(value if isinstance(value, list) else [])
                for p in problems(item, expected, root, f'{at}[{i}]')]
    if keyword == 'dependentSchemas':
        return [p for name, one in expected.items()
                if isinstance(value, dict) and name in value
                for p in problems(value, one, root, at)]
    if keyword == 'anyOf':
        all_problems = [problems(value, one, root, at) for one in expected]
        return [] if [] in all_problems else all_problems[0]
    checks = {
        'enum': lambda: value in expected,
        'const': lambda: value == expected and type(value) is type(expected),
        'pattern': lambda: not isinstance(value, str) or re.search(expected, value),
        'exclusiveMinimum': lambda: not isinstance(value, (int, float))
        or value > expected,
        'minimum': lambda: not isinstance(value, (int, float)) or value >= expected,
        'maximum': lambda: not isinstance(value, (int, float)) or value <= expected,
        'minItems': lambda: not isinstance(value, list) or len(value) >= expected,
        'uniqueItems': lambda: not isinstance(value, list)
        or len(value) == len({repr(item) for item in value}),
    }
    ok = checks[keyword]()
    return [] if ok else [f'{at}: {value!r} breaks {keyword} {expected!r}']


def _check_object(keyword, expected, value, schema, root, at):
    if not isinstance(value, dict):
        return []
    if keyword == 'required':
        return [f'{at}: no {name}' for name in expected if name not in value]
    if keyword == 'properties':
        return [p for name, one in expected.items() if name in value
                for p in problems(value[name], one, root, f'{at}.{name}')]
    more = {n: v for n, v in value.items() if n not in schema.get('properties', {})}
    if isinstance(expected, bool):
        return [] if expected else [f'{at}: unknown {name}' for name in more]
    return [p for name, one in more.items()
            for p in problems(one, expected, root, f'{at}.{name}')]
