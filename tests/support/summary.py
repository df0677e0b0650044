#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Closes a test run: what was skipped and why, then the counts alone on a line.

Usage: summary.py JUNIT.xml [--full]. With --full, fewer passed tests than
tests/minimum_count is a failure (decisions H25).
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

MINIMUM = pathlib.Path(__file__).parent.parent / 'minimum_count'


def reason(case):
    """Why a test was skipped: our own line, or the one GoogleTest prints."""
    text = case.findtext('system-out') or ''
    ours = re.search(r'^SKIPPED: (.+)$', text, re.M)
    google = re.search(r': Skipped\n(.+)', text)
    found = ours or google
    if found:
        return found.group(1).strip()
    return text.strip().splitlines()[-1] if text.strip() else ''


def main():
    path, full = pathlib.Path(sys.argv[1]), '--full' in sys.argv[2:]
    if not path.exists():
        print('no test was run')
        return 1
    cases = ElementTree.parse(path).getroot().findall('testcase')
    skipped = [c for c in cases if c.get('status') in ('notrun', 'disabled')]
    failed = [c for c in cases if c.get('status') == 'fail']
    passed = len(cases) - len(skipped) - len(failed)

    if skipped:
        print('\nSkipped:')
        width = max(len(c.get('name')) for c in skipped)
        for case in sorted(skipped, key=lambda c: c.get('name')):
            print(f'  {case.get("name"):{width}}  {reason(case) or "no reason given"}')
    # A test that should be there and could not even start is no skip.
    broken = [c for c in skipped if c.find('skipped') is not None
              and 'Unable to find executable' in c.find('skipped').get('message', '')]
    status = 1 if failed or broken or not cases else 0
    if full:
        minimum = int(MINIMUM.read_text().split()[0])
        if passed < minimum:
            print(f'\nonly {passed} tests passed; tests/minimum_count asks for {minimum}')
            status = 1
    print(f'\n{passed} passed, {len(failed)} failed, {len(skipped)} skipped')
    return status


if __name__ == '__main__':
    sys.exit(main())
