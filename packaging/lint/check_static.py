#!/usr/bin/env python3
"""Checks that the programs of dist/ need nothing of the system they run on.

Usage: check_static.py DIST. No program may have an interpreter or a dynamic
section (so no shared library, and no glibc floor); and as root each is run in an
empty root directory, where vtaskd has to serve HTTP/2 on its socket."""
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

PT_DYNAMIC, PT_INTERP = 2, 3
PROGRAMS = ['bin/vt', 'bin/vtaskd', 'lib/vtask/vt-keeper']


def segment_types(path: pathlib.Path) -> set[int]:
    """Types of the program headers of a 64-bit little-endian ELF file."""
    data = path.read_bytes()
    if data[:6] != b'\x7fELF\x02\x01':
        sys.exit(f'{path} is no 64-bit little-endian ELF file')
    offset, = struct.unpack_from('<Q', data, 32)
    size, count = struct.unpack_from('<HH', data, 54)
    return {struct.unpack_from('<I', data, offset + i * size)[0]
            for i in range(count)}


def enter(root: pathlib.Path):
    def work():
        os.chroot(root)
        os.chdir('/')
    return work


def check_serves(root: pathlib.Path) -> None:
    """vtaskd in the empty root: ready, and HTTP/2 at its socket."""
    for name in ('cache', 'run', 'state'):
        (root / name).mkdir(mode=0o700)
    ready, reports = os.pipe()
    daemon = subprocess.Popen(
        ['/bin/vtaskd', '--foreground', '--cache-dir', '/cache',
         '--runtime-dir', '/run', '--state-dir', '/state',
         '--socket', '/run/s', '--ready-fd', str(reports)],
        pass_fds=[reports], preexec_fn=enter(root), env={'HOME': '/'},
        stderr=subprocess.PIPE, text=True)
    os.close(reports)
    try:
        said = b''
        while not said.endswith(b'\n'):
            if not select.select([ready], [], [], 20)[0]:
                sys.exit('vtaskd: not ready after 20 s in an empty root')
            piece = os.read(ready, 4096)
            if not piece:
                sys.exit('vtaskd died in an empty root:\n' + daemon.stderr.read())
            said += piece
        if said != b'ok\n':
            sys.exit(f'vtaskd in an empty root: {said!r}')
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(root / 'run' / 's'))
            client.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' +
                           b'\0\0\0\4\0\0\0\0\0')
            head = client.recv(9)
            if len(head) < 4 or head[3] != 4:  # SETTINGS
                sys.exit(f'vtaskd does not speak HTTP/2: {head!r}')
        daemon.send_signal(signal.SIGTERM)
        if daemon.wait(20) != 0:
            sys.exit(f'vtaskd ended with {daemon.returncode}:\n' +
                     daemon.stderr.read())
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


def main() -> int:
    dist = pathlib.Path(sys.argv[1])
    for name in PROGRAMS:
        if not (dist / name).exists():
            sys.exit(f'{dist / name} is not built')
        found = segment_types(dist / name)
        if found & {PT_DYNAMIC, PT_INTERP}:
            sys.exit(f'{name} is not static: segments {sorted(found)}')
    print('no interpreter, no dynamic section')
    if os.geteuid() != 0:
        print('SKIPPED: the run in an empty root needs root for chroot')
        return 77
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name in PROGRAMS:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(dist / name, root / name)
        for name in ('/bin/vt', '/bin/vtaskd'):
            got = subprocess.run([name, '--version'], preexec_fn=enter(root),
                                 env={'HOME': '/'}, text=True,
                                 capture_output=True, timeout=20)
            if got.returncode != 0 or not got.stdout:
                sys.exit(f'{name} --version in an empty root: {got}')
            print(got.stdout.strip())
        check_serves(root)
    print('vtaskd serves in an empty root')
    return 0


if __name__ == '__main__':
    sys.exit(main())
