#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tells whether this machine can give a seccomp listener, which tracing needs.

Prints `available`, or the reason why not; exits 0 or 1. A child asks for the
listener, since a filter cannot be taken off again. Imported by the harness.
"""
import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
SYS_SECCOMP = {'x86_64': 317, 'aarch64': 277}
SET_MODE_FILTER, NEW_LISTENER = 1, 8
ALLOW = 0x7FFF0000


def _ask():
    """Returns 0 or the errno of seccomp(2)."""
    number = SYS_SECCOMP.get(os.uname().machine)
    if number is None:
        return 38  # ENOSYS
    libc = ctypes.CDLL(None, use_errno=True)
    # One BPF instruction: return ALLOW.
    code = ctypes.create_string_buffer(struct.pack('HBBI', 0x06, 0, 0, ALLOW))
    program = ctypes.create_string_buffer(
        struct.pack('HxxxxxxQ', 1, ctypes.addressof(code)))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    fd = libc.syscall(number, SET_MODE_FILTER, NEW_LISTENER, program)
    return 0 if fd >= 0 else ctypes.get_errno()


def problem():
    """Returns why there is no listener, or None."""
    pid = os.fork()
    if pid == 0:
        os._exit(_ask())
    error = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if error == 0 else f'no seccomp listener: {os.strerror(error)}'


if __name__ == '__main__':
    why = problem()
    print(why or 'available')
    sys.exit(1 if why else 0)
