#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The leak test: many runs, after which the daemon holds what it held before.

    soak.py [--runs N]

Of ten runs nine have nothing to do, one has an edit to look at. After a tenth of all it
notes what the daemon has of memory, descriptors and threads, and compares in the end.
Memory may grow by 8 MB: what hits leave in the database is written out every 4 MB.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIST = pathlib.Path(os.environ.get('VT_TEST_DIST', ROOT / 'build/release/dist'))
# Of kB, descriptors, threads: gRPC and the database start theirs when they first need them.
SLACK = (8192, 4, 8)
PACKAGES = 10


def workspace(root):
    root.mkdir()
    (root / 'package.json').write_text('{"name": "root", "private": true}\n')
    (root / 'pnpm-workspace.yaml').write_text('packages: ["packages/*"]\n')
    for number in range(PACKAGES):
        package = root / f'packages/p{number}'
        package.mkdir(parents=True)
        (package / 'package.json').write_text(f'{{"name": "p{number}"}}\n')
        (package / 'in.txt').write_text('0\n')
        (package / 'vite-task.json').write_text('{"tasks": {"build": "cp in.txt out.txt"}}\n')


def holds(pid):
    """What the daemon has: kB in memory that are its own, descriptors, threads."""
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    opened = []
    for fd in pathlib.Path(f'/proc/{pid}/fd').iterdir():
        try:
            opened.append(os.readlink(fd))
        except FileNotFoundError:
            pass  # closed meanwhile
    # Not the tables of the database, which come and go (256 at most).
    opened = [link for link in opened if not link.endswith('.sst')]
    return (int(re.search(r'RssAnon:\s+(\d+)', status)[1]), len(opened),
            int(re.search(r'Threads:\s+(\d+)', status)[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=int, default=10000)
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix='vt.', dir='/tmp'))
    vt = str(DIST / 'bin/vt')
    env = {'PATH': '/usr/bin:/bin', 'HOME': str(work), 'XDG_RUNTIME_DIR': str(work / 'r'),
           'XDG_CACHE_HOME': str(work / 'c'), 'XDG_STATE_HOME': str(work / 's')}
    root = work / 'w'
    workspace(root)

    def run(*arguments):
        return subprocess.run([vt, *arguments], cwd=root, env=env, check=True,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout

    try:
        run('run', '-r', 'build')
        pid = int(re.search(r'pid +(\d+)', run('daemon', 'status'))[1])
        before = None
        for number in range(options.runs):
            if number == options.runs // 10:
                before = holds(pid)
            if number % 10 == 0:
                # Back and forth, so that the cache does not grow.
                (root / 'packages/p0/in.txt').write_text(f'{number // 10 % 2}\n')
            text = run('run', '-r', 'build')
            if 'cache hit' not in text:
                sys.exit(f'run {number}: nothing hit\n{text}')
            if number % max(1, options.runs // 20) == 0:
                print(number, *holds(pid), flush=True)
        after = holds(pid)
    finally:
        subprocess.run([vt, 'daemon', 'stop', '--now'], env=env, check=False,
                       capture_output=True)
        shutil.rmtree(work, ignore_errors=True)
    print(f'after a tenth {before}, in the end {after} (kB, descriptors, threads)')
    if any(now > then + slack for then, now, slack in zip(before, after, SLACK)):
        sys.exit('it has grown')


if __name__ == '__main__':
    main()
