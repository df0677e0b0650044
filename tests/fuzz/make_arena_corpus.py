#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a few arenas for vt_arena_reader_fuzz into a directory.

Usage: make_arena_corpus.py DIRECTORY
"""
import os
import struct
import sys

HEADER = 4096
CHUNK = 256 * 1024
BASE, READ, STAT = 1, 2, 6


def record(kind, name, base=0, result=0, epoch=1, state=1):
    size = (20 + len(name) + 7) // 8 * 8
    head = struct.pack('<IBBHIiI', size, kind, state, len(name), base, result,
                       epoch)
    return (head + name).ljust(size, b'\0')


def arena(chunks, scribbles=()):
    out = struct.pack('<BB', len(chunks) - 1, len(scribbles))
    for chunk, offset, word in scribbles:
        out += struct.pack('<BHI', chunk, offset, word)
    for i, data in enumerate(chunks):
        used = data[0] if isinstance(data, tuple) else len(data)
        data = data[1] if isinstance(data, tuple) else data
        out += struct.pack('<I', used)
        if i + 1 < len(chunks):
            out += struct.pack('<H', len(data))
        out += data
    return out


def main():
    directory = sys.argv[1]
    os.makedirs(directory, exist_ok=True)
    start = (HEADER + 16) // 8
    absolute = record(READ, b'/usr/lib/libc.so.6')
    missing = record(STAT, b'/work/node_modules/x', result=-2)
    base = record(BASE, b'/work/packages/app')
    relative = record(READ, b'src/index.ts', base=start)
    other = record(READ, b'a', base=(HEADER + CHUNK + 16) // 8, epoch=7)
    seeds = {
        'empty': arena([b'']),
        'one': arena([absolute]),
        'several': arena([absolute + missing + absolute]),
        'relative': arena([base + relative + relative]),
        'two_chunks': arena([other + absolute, base + relative]),
        'three_chunks': arena([absolute, base, relative + missing]),
        'unfinished': arena([absolute + record(READ, b'/slow', state=0)
                             + missing]),
        'hole': arena([absolute + b'\0' * 48 + missing]),
        'full': arena([(CHUNK + 4096, absolute + missing)]),
        'long': arena([record(READ, b'/' + b'x' * 4094)]),
        'bytes': arena([record(READ, b'/\xff\n\x01')]),
        'scribbled': arena([base + relative * 4],
                           [(0, 16, 0xffffffff), (0, 60, 0), (0, 0, 1 << 30)]),
        'finished_later': arena([record(READ, b'/slow', state=0)],
                                [(0, 20, 0x00050102)]),
    }
    for name, data in seeds.items():
        with open(os.path.join(directory, name), 'wb') as f:
            f.write(data)


main()
