#!/usr/bin/env python3
"""Checks the systemd user unit with systemd's own parser.

Usage: check_systemd.py UNIT PROGRAM. `systemd-analyze verify` returns 0 for an
unknown key and only warns, so stderr has to be empty; and it wants the program
to exist, so a copy of the unit that names PROGRAM is checked."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

unit, program = pathlib.Path(sys.argv[1]), sys.argv[2]
if shutil.which('systemd-analyze') is None:
    print('SKIPPED: systemd-analyze is not installed')
    sys.exit(77)
if not os.access(program, os.X_OK):
    sys.exit(f'{program} is not built')
text = unit.read_text()
installed = '%h/.local/bin/vtaskd'
if f'ExecStart={installed} --foreground\n' not in text:
    sys.exit(f'{unit}: ExecStart does not run {installed} --foreground')
for word in ('NoNewPrivileges', 'PrivateTmp', 'ProtectHome'):
    if word in text:
        sys.exit(f'{unit}: {word} would apply to every task')

with tempfile.TemporaryDirectory() as folder:
    copy = pathlib.Path(folder) / unit.name
    copy.write_text(text.replace(installed, program))
    # Without XDG_RUNTIME_DIR it cannot look up the user's directories.
    got = subprocess.run(
        ['systemd-analyze', '--user', 'verify', str(copy)], text=True,
        capture_output=True, env={**os.environ, 'XDG_RUNTIME_DIR': folder})
if got.returncode != 0 or got.stderr.strip():
    sys.exit(f'systemd-analyze: {got.returncode}\n{got.stdout}{got.stderr}')
print('systemd has nothing to say')
