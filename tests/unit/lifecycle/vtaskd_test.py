#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of a whole vtaskd process: start, collision, crash, end.

Usage: vtaskd_test.py PROGRAM [unittest arguments]"""
import concurrent.futures
import os
import pathlib
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop(1)
PATIENCE = 30  # seconds; a machine under load, not an expectation


class Daemon:
    """One started vtaskd; `report` is what it said on its ready pipe."""

    def __init__(self, home: pathlib.Path, *flags: str, program=PROGRAM,
                 env=None, **popen):
        reader, writer = os.pipe()
        self.socket = home / 'run' / 's'
        arguments = [program, '--cache-dir', home / 'cache',
                     '--runtime-dir', home / 'run',
                     '--state-dir', home / 'state', '--socket', self.socket,
                     '--ready-fd', str(writer), *flags]
        # A file, not a pipe: nobody reads while it runs.
        self.log = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen(
            arguments, pass_fds=[writer, *popen.pop('fds', ())],
            stderr=self.log, env={'HOME': str(home), **(env or {})}, **popen)
        os.close(writer)
        self.report = b''
        while not self.report.endswith(b'\n'):
            if not select.select([reader], [], [], PATIENCE)[0]:
                break
            piece = os.read(reader, 4096)
            if not piece:
                break
            self.report += piece
        os.close(reader)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def kill(self, number: int) -> int:
        self.process.send_signal(number)
        return self.wait()

    def stderr(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE)
        client.connect(str(self.socket))
        return client


class VtaskdTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)

    def start(self, *flags, **options) -> Daemon:
        daemon = Daemon(self.home, *flags, **options)

        def clean_up():
            if daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()
            daemon.log.close()
        self.addCleanup(clean_up)
        return daemon

    def test_serves_then_leaves_nothing_but_its_cache(self):
        daemon = self.start()
        self.assertEqual(daemon.report, b'ok\n', daemon.stderr())
        self.assertEqual(stat.S_IMODE(daemon.socket.stat().st_mode), 0o600)
        for name in ('cache', 'cache/v1', 'run', 'state'):
            self.assertEqual(
                stat.S_IMODE((self.home / name).stat().st_mode), 0o700, name)
        lock = (self.home / 'cache/v1/daemon.lock').read_text().splitlines()
        self.assertEqual(lock[0], str(daemon.process.pid))
        self.assertEqual(lock[1], str(daemon.socket))
        self.assertEqual(daemon.kill(signal.SIGTERM), 0, daemon.stderr())
        self.assertFalse(daemon.socket.exists())

    def test_a_second_daemon_names_the_first(self):
        first = self.start()
        second = self.start()
        self.assertEqual(second.wait(), 1)
        self.assertRegex(second.report.decode(), '^error: ')
        self.assertIn(f'daemon {first.process.pid} at `{first.socket}`',
                      second.report.decode())
        first.connect().close()

    def test_of_many_started_at_once_one_serves(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            starts = [pool.submit(self.start) for _ in range(8)]
            reports = [start.result().report for start in starts]
        self.assertEqual(reports.count(b'ok\n'), 1, reports)

    def test_a_killed_daemon_is_replaced(self):
        first = self.start()
        first.kill(signal.SIGKILL)
        self.assertTrue(first.socket.exists())
        second = self.start()
        self.assertEqual(second.report, b'ok\n', second.stderr())
        second.connect().close()

    def test_a_successor_waits_for_a_daemon_that_is_leaving(self):
        for _ in range(5):
            first = self.start()
            self.assertEqual(first.report, b'ok\n', first.stderr())
            # It answers by hanging up, once it takes no more connections.
            with first.connect():
                first.process.send_signal(signal.SIGTERM)
                second = self.start()
                if second.report != b'ok\n':
                    # Faster than the signal: it met a daemon at its best.
                    self.assertIn(b'error: daemon', second.report)
            self.assertEqual(first.wait(), 0)
            second.process.kill()
            second.wait()

    def test_leaves_when_idle_but_not_under_a_client(self):
        daemon = self.start('--idle-exit', '1')
        with daemon.connect():
            with self.assertRaises(subprocess.TimeoutExpired):
                daemon.process.wait(1.5)
        self.assertEqual(daemon.wait(), 0)
        self.assertIn('idle', daemon.stderr())

    def test_an_unusable_cache_stops_nobody(self):
        (self.home / 'cache').write_text('in the way')
        daemon = self.start()
        self.assertEqual(daemon.report, b'ok\n', daemon.stderr())
        self.assertIn('no cache', daemon.stderr())

    def test_a_foreign_file_at_the_socket_is_an_error(self):
        (self.home / 'run').mkdir()
        (self.home / 'run' / 's').write_text('mine')
        daemon = self.start()
        self.assertEqual(daemon.wait(), 1)
        self.assertIn(b'in the way', daemon.report)

    def test_takes_a_socket_from_systemd_and_notifies_it(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.home / 'systemd'))
        listener.listen()
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(self.home / 'notify'))
        notify.settimeout(PATIENCE)
        self.addCleanup(notify.close)
        # Descriptor 3, and LISTEN_PID the pid that exec keeps.
        start = self.home / 'start'
        start.write_text(
            '#!/bin/sh\nexport LISTEN_PID=$$ LISTEN_FDS=1\n'
            f'exec "{PROGRAM}" "$@" 3<&{listener.fileno()}\n')
        start.chmod(0o755)
        daemon = self.start(
            program=start, fds=[listener.fileno()],
            env={'NOTIFY_SOCKET': str(self.home / 'notify')})
        self.assertEqual(notify.recv(100), b'READY=1')
        listener.close()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.home / 'systemd'))
        self.assertEqual(daemon.kill(signal.SIGTERM), 0, daemon.stderr())
        self.assertEqual(notify.recv(100), b'STOPPING=1')
        # Not ours to remove.
        self.assertTrue((self.home / 'systemd').exists())

    def test_a_bad_flag_is_a_usage_error(self):
        got = subprocess.run([PROGRAM, '--bogus'], capture_output=True,
                             text=True)
        self.assertEqual(got.returncode, 2)
        self.assertIn('`--bogus`', got.stderr)


if __name__ == '__main__':
    unittest.main()
