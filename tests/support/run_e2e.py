#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one end-to-end test, or all of a file: run_e2e.py FILE [METHOD].

Exits 77 if it was skipped, after a line `SKIPPED: REQUIRES(…): why`.
"""
import importlib.util
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))


def main():
    path = pathlib.Path(sys.argv[1]).resolve()
    # Helpers of a topic lie beside its tests.
    sys.path.insert(1, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suite = unittest.TestSuite()
    for name, kind in vars(module).items():
        if (isinstance(kind, type) and issubclass(kind, unittest.TestCase)
                and kind.__module__ == module.__name__):
            for method in unittest.TestLoader().getTestCaseNames(kind):
                if len(sys.argv) < 3 or method == sys.argv[2]:
                    suite.addTest(kind(method))
    if suite.countTestCases() == 0:
        print(f'no such test: {sys.argv[1:]}')
        return 1
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    for _, why in result.skipped:
        print(f'SKIPPED: {why}')
    if not result.wasSuccessful():
        return 1
    return 77 if len(result.skipped) == result.testsRun else 0


if __name__ == '__main__':
    sys.exit(main())
