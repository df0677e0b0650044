#!/usr/bin/env python3
"""Checks the launch agent: it parses, and says what launchd needs.

Usage: check_plist.py PLIST"""
import pathlib
import plistlib
import shutil
import subprocess
import sys

path = pathlib.Path(sys.argv[1])
agent = plistlib.loads(path.read_bytes())
expected = {'Label': path.stem, 'RunAtLoad': True}
for key, value in expected.items():
    if agent.get(key) != value:
        sys.exit(f'{path}: {key} is {agent.get(key)!r}, not {value!r}')
arguments = agent['ProgramArguments']
if not arguments[0].startswith('/') or arguments[1:] != ['--foreground']:
    sys.exit(f'{path}: ProgramArguments are {arguments}')
if shutil.which('plistutil'):
    # It returns 0 for a malformed file and complains on stderr.
    got = subprocess.run(['plistutil', '-i', str(path), '-o', '/dev/null'],
                         text=True, capture_output=True)
    if got.returncode != 0 or got.stderr.strip():
        sys.exit(f'plistutil: {got.returncode}\n{got.stderr}')
    print('plistlib and plistutil agree')
else:
    print('plistlib agrees (plistutil is not installed)')
