#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a few conversations for vt_tool_frame_fuzz and vt_tool_endpoint_fuzz.

Usage: make_tool_corpus.py DIRECTORY    (makes DIRECTORY/frame and /endpoint)
"""
import os
import struct
import sys


def varint(n):
    out = b''
    while n > 0x7f:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])


def field(number, data):
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    return varint(number << 3 | 2) + varint(len(data)) + data


def frame(body):
    return struct.pack('<I', len(body)) + body


HELLO = field(1, 1) + field(2, field(1, 1) + field(2, b'fuzz/1') + field(5, 1))
REQUESTS = [
    field(3, field(1, b'/a/b')), field(4, field(1, b'/a')),
    field(5, field(1, b'/c')), field(6, field(1, b'relative')),
    field(1, 2) + field(7, field(1, b'A') + field(2, 1)),
    field(1, 3) + field(8, field(1, field(1, b'A*')) + field(2, 1)),
    field(1, 4) + field(8, field(1, field(2, b'A'))),
    field(1, 5) + field(8, field(1, field(1, b'{a'))),
    field(9, field(1, b'why') + field(2, b'/x.js:1')),
    field(10, field(1, b'k') + field(2, b'v')), field(1, 6) + field(11, b''),
    field(1, 7) + field(99, b''), b'\xff', field(1, 8),
]
REPLIES = [
    field(1, 1) + field(3, field(1, 1) + field(2, 1)
                        + field(3, field(1, b'A') + field(2, b'1'))),
    field(1, 2) + field(4, field(1, 1) + field(2, b'1')),
    field(1, 3) + field(5, field(1, field(1, b'A') + field(2, b'1'))),
    field(1, 4) + field(2, b'refused'),
]
CONNECT, RAW, FRAME, GREET, READ, CLOSE, END, SETTLE = range(8)


def op(what, who=0, data=None):
    return bytes([what | who << 3]) + (
        b'' if data is None else bytes([len(data)]) + data)


def main():
    def write(folder, name, data):
        path = os.path.join(sys.argv[1], folder)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, name), 'wb') as out:
            out.write(data)

    everything = frame(HELLO) + b''.join(map(frame, REQUESTS))
    write('frame', 'requests', b'\x03' + everything)
    write('frame', 'replies', b'\xff' + b''.join(map(frame, REPLIES)))
    write('frame', 'cut', b'\x00' + everything[:-3])
    write('frame', 'zero', b'\x01' + frame(HELLO) + b'\0\0\0\0' + everything)
    write('frame', 'huge', b'\x01' + b'\x01\x00\x10\x00' + everything)
    for i, request in enumerate(REQUESTS):
        write('endpoint', f'request-{i}', op(CONNECT) + op(GREET) + op(SETTLE)
              + op(FRAME, 0, request) + op(SETTLE) + op(READ) + op(CLOSE))
    write('endpoint', 'all', op(CONNECT) + op(GREET)
          + b''.join(op(FRAME, 0, r) for r in REQUESTS) + op(SETTLE))
    write('endpoint', 'two', op(CONNECT) + op(CONNECT, 1) + op(GREET)
          + op(GREET, 1) + op(RAW, 1, b'\0\0\0\0') + op(SETTLE)
          + op(FRAME, 0, REQUESTS[0]) + op(END, 0) + op(SETTLE) + op(CLOSE, 1))
    write('endpoint', 'half', op(CONNECT) + op(RAW, 0, b'\x20\0\0') + op(CLOSE))
    write('endpoint', 'silent', op(CONNECT) + op(CONNECT, 1) + op(CONNECT, 2))
    write('endpoint', 'unread', op(CONNECT) + op(GREET) + op(FRAME, 0, REQUESTS[4])
          * 40 + op(SETTLE) + op(END) + op(SETTLE))


if __name__ == '__main__':
    main()
