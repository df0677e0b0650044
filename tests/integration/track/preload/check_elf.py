#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_elf.py READELF NM LIBRARY: the preload library is what it must be.

It is loaded into every program of an action: no needed library, no constructor,
no thread-local storage, few names of libc, those that not every libc has weak,
and it is small. What it exports are names of libc, without versions.
"""
import os
import re
import subprocess
import sys

UNDEFINED = {'__errno_location', 'fdopendir', 'pthread_setcanceltype'}
WEAK = {'__libc_single_threaded'}
EXPORTED = set('''
    open open64 openat openat64 __open_2 __open64_2 __openat_2 __openat64_2
    opendir stat stat64 lstat lstat64 fstat fstat64 fstatat fstatat64 statx
    __xstat __xstat64 __lxstat __lxstat64 __fxstat __fxstat64 __fxstatat
    __fxstatat64 access faccessat euidaccess eaccess readlink readlinkat
    __readlink_chk __readlinkat_chk chdir fchdir prctl syscall'''.split())
MAX_LOADED = 32 * 1024


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True,
                          text=True).stdout


def main() -> int:
    readelf, nm, library = sys.argv[1:4]
    faults = []
    dynamic = output_of(readelf, '-Wd', library)
    for tag in ('NEEDED', 'INIT', 'FINI', 'INIT_ARRAY', 'FINI_ARRAY', 'TEXTREL',
                'VERDEF', 'VERNEED', 'RUNPATH'):
        if re.search(rf'\({tag}\)', dynamic):
            faults.append(f'has DT_{tag}')
    headers = output_of(readelf, '-Wl', library)
    loads = re.findall(r'^\s+LOAD\s+\S+\s+\S+\s+\S+\s+(\S+)\s+(\S+)', headers, re.M)
    if len(loads) != 2:
        faults.append(f'has {len(loads)} PT_LOAD segments, not 2')
    loaded = sum(int(size, 16) for _, size in loads)
    if loaded > MAX_LOADED:
        faults.append(f'{loaded} bytes are loaded, more than {MAX_LOADED}')
    if any(file_size != memory_size for file_size, memory_size in loads):
        faults.append('has .bss: a mapping more for each program')
    for segment in ('TLS', 'GNU_RELRO', 'INTERP'):
        if re.search(rf'^\s+{segment}\s', headers, re.M):
            faults.append(f'has PT_{segment}')
    if re.search(r'GNU_STACK.*RWE', headers):
        faults.append('wants an executable stack')
    relocations = re.findall(r'R_\w+', output_of(readelf, '-Wr', library))
    others = [kind for kind in relocations
              if not re.search('JUMP_SLOT?|GLOB_DAT?', kind)]
    if others or len(relocations) > len(UNDEFINED | WEAK):
        faults.append(f'relocations: {" ".join(relocations)}')
    undefined, weak, exported = set(), set(), set()
    for line in output_of(nm, '-D', library).splitlines():
        kind, name = line.split()[-2:]
        {'U': undefined, 'w': weak, 'v': weak}.get(kind, exported).add(name)
    if not (undefined <= UNDEFINED and weak <= WEAK):
        faults.append(f'needs {sorted((undefined - UNDEFINED) | (weak - WEAK))}')
    if exported != EXPORTED:
        faults.append(f'exports {sorted(exported ^ EXPORTED)} (too many or few)')
    print('\n'.join(faults) or f'{loaded} bytes, {len(exported)} names')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
