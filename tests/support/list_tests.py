#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the CMake lines that register the end-to-end tests.

Usage: list_tests.py RUNNER OUT FILE… Reads the sources without importing them:
each method `test_x` of `<topic>/test_*.py` becomes the test `e2e.<topic>.x`, with
its limit from @timeout(N) (else 60 s) and RUN_SERIAL from @serial. The file OUT is
left alone if it says the same already.
"""
import ast
import pathlib
import sys


def methods(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name.startswith('test_'):
                    yield item


def decorators(method):
    """{name: first argument or None}"""
    found = {}
    for node in method.decorator_list:
        call = isinstance(node, ast.Call)
        name = (node.func if call else node).id
        argument = node.args[0] if call and node.args else None
        found[name] = getattr(argument, 'value', None)
    return found


def main():
    runner, out, files = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    lines, names = [], {}
    for file in map(pathlib.Path, sorted(files)):
        for method in methods(file):
            name = f'e2e.{file.parent.name}.{method.name.removeprefix("test_")}'
            if name in names:
                sys.exit(f'{file}: {name} is also in {names[name]}')
            names[name] = file
            marks = decorators(method)
            properties = f'TIMEOUT {marks.get("timeout", 60)} SKIP_RETURN_CODE 77 LABELS e2e'
            if 'serial' in marks:
                properties += ' RUN_SERIAL TRUE'
            lines += [f'add_test(NAME {name} COMMAND ${{Python3_EXECUTABLE}} '
                      f'"{runner}" "{file}" {method.name})',
                      f'set_tests_properties({name} PROPERTIES {properties}\n'
                      f'  ENVIRONMENT "${{VT_E2E_ENVIRONMENT}}")']
    text = '\n'.join(lines) + '\n'
    if not out.exists() or out.read_text() != text:
        out.write_text(text)


if __name__ == '__main__':
    main()
