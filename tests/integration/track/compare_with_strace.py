#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program under strace and under the tracker, each in a fresh directory
of the same name, and fails when strace saw a path that the tracker did not.

Usage: compare_with_strace.py DUMP [--input FILE]... -- PROGRAM ARG...
Exit status 77: skipped (strace is missing or may not trace).
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

# A string argument, as `strace -xx` prints it.
STRING = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
LINE = re.compile(rb'^(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed>)(.*)$', re.S)
# A descriptor or AT_FDCWD with its path: 3</tmp/x>, AT_FDCWD<...>.
DIRECTORY = re.compile(rb'(?:^|, )(?:AT_FDCWD|-?\d+)<([^>]*)>, $')
# Which string arguments are names; the default is the first.
NAMES = {b'rename': 2, b'renameat': 2, b'renameat2': 2, b'link': 2,
         b'linkat': 2}


def unescape(text):
    return bytes.fromhex(text.replace(b'\\x', b'').decode())


def annotation(text):
    """The path of `3<...>`: escaped like strings under -xx."""
    if text.startswith(b'\\x'):
        return re.sub(rb'\\x([0-9a-f]{2})',
                      lambda m: bytes([int(m[1], 16)]), text)
    return text


def names_of_line(line, directories, start):
    match = LINE.match(line)
    if not match:
        return
    pid, call, rest = match[1], match[2], match[3]
    if call == b'getcwd':
        return
    strings = list(STRING.finditer(rest))
    wanted = NAMES.get(call, 1)
    if call in (b'symlink', b'symlinkat'):
        strings, wanted = strings[1:], 1
    at_cwd = re.search(rb'AT_FDCWD<([^>]*)>', rest)
    if at_cwd:
        directories[pid] = annotation(at_cwd[1])
    cwd = directories.get(pid, start)
    for string in strings[:wanted]:
        name = unescape(string[1])
        base = DIRECTORY.search(rest[:string.start()])
        if name == b'':
            continue
        start_at = annotation(base[1]) if base else cwd
        # An inotify descriptor is no directory.
        path = os.path.join(start_at if start_at[:1] == b'/' else cwd, name)
        yield path
    if call == b'chdir' and re.search(rb'= 0\s*$', rest) and strings:
        directories[pid] = os.path.realpath(
            os.path.join(cwd, unescape(strings[0][1])))
    if call == b'fchdir' and re.search(rb'= 0\s*$', rest):
        directories[pid] = annotation(re.search(rb'<([^>]*)>', rest)[1])
    if call in (b'clone', b'clone3', b'fork', b'vfork'):
        child = re.search(rb'= (\d+)', rest)
        if child:
            directories.setdefault(child[1], cwd)


def names_of_strace(log, start):
    """Absolute names in a log; unfinished calls are joined with their end."""
    directories, pending, names = {}, {}, set()
    for line in log.split(b'\n'):
        pid = line.split(b' ', 1)[0]
        if line.endswith(b'<unfinished ...>'):
            pending[pid] = line[:-len(b'<unfinished ...>')]
            if re.search(rb' v?fork\(|clone3?\(', line):
                # Its child may be heard of before its end.
                directories.setdefault('last', directories.get(pid, start))
            continue
        resumed = re.match(rb'^\d+ +<\.\.\. \w+ resumed>(.*)$', line, re.S)
        if resumed and pid in pending:
            line = pending.pop(pid) + resumed[1]
        names.update(names_of_line(line, directories, start))
    return names


def is_pseudo(path):
    return any(path == p or path.startswith(p + b'/')
               for p in (b'/proc', b'/sys', b'/dev'))


def main():
    dump = sys.argv[1]
    split = sys.argv.index('--')
    inputs = [a for a in sys.argv[2:split] if a != '--input']
    program = sys.argv[split + 1:]
    strace = shutil.which('strace')
    if strace is None or subprocess.run(
            [strace, '-o', '/dev/null', 'true']).returncode != 0:
        print('SKIPPED: strace is not installed, or may not trace here')
        return 77
    scratch = tempfile.mkdtemp(prefix='vt-test-')
    work = os.path.join(scratch, 'work')
    log = os.path.join(scratch, 'log')
    try:
        def fresh():
            shutil.rmtree(work, ignore_errors=True)
            os.mkdir(work)
            for name in inputs:
                shutil.copy(name, work)

        fresh()
        subprocess.run(
            [strace, '-f', '-y', '-xx', '-s', '4096', '-o', log, '-e',
             'trace=%file,fchdir,inotify_add_watch,clone,clone3,fork,vfork',
             '--'] + program, cwd=work, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False, timeout=50)
        with open(log, 'rb') as f:
            expected = names_of_strace(f.read(), work.encode())
        fresh()
        subprocess.run([dump, '--raw0', '--out', log] + program, cwd=work,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=False, timeout=50)
        with open(log, 'rb') as f:
            fields = f.read().split(b'\0')[:-1]
        flags, paths = fields[0::2], fields[1::2]
        seen = set(paths)
        made = {p for f, p in zip(flags, paths) if b'was missing' in f}
        missing = []
        for name in sorted(expected):
            parent = os.path.realpath(os.path.dirname(name.rstrip(b'/')))
            direct = os.path.normpath(
                os.path.join(parent, os.path.basename(name.rstrip(b'/'))))
            candidates = {direct, os.path.normpath(name),
                          os.path.realpath(name)}
            if candidates & seen or any(map(is_pseudo, candidates)):
                continue
            # Below a directory that the program made, nothing is an input.
            if any(c.startswith(m + b'/') for c in candidates for m in made):
                continue
            missing.append(name)
        print(f'strace: {len(expected)} names, tracker: {len(seen)} paths, '
              f'missing: {len(missing)}')
        for name in missing:
            print('  missing:', name)
        if len(expected) < 10:
            print('strace saw next to nothing: the test is broken')
            return 1
        return 1 if missing else 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


sys.exit(main())
