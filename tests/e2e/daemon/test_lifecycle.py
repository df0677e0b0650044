# SPDX-License-Identifier: Apache-2.0
"""How the daemon comes to be, is found, and goes."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import time

from vtask_e2e import DIST, VtTest, can_connect, requires, timeout

# Says hello as a gRPC client does, and tells what became of it.
GREET = r'''
import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(10)
peer.connect(sys.argv[1])
try:
    peer.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + b'\0\0\0\4\0\0\0\0\0')
    print('answered' if peer.recv(100) else 'closed')
except ConnectionError:
    print('closed')
'''


class LifecycleTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({'hello': 'cat in.txt'})
        self.write('in.txt', 'hello\n')

    def hello(self, **options):
        result = self.assertOk(self.vt('run', 'hello', **options))
        self.assertIn('hello\n', result.out)
        self.assertEqual(result.err, '', 'the daemon is nobody\'s business')
        return result

    def only_daemon(self):
        daemons = list(self.daemons())
        self.assertEqual(len(daemons), 1, self.processes())
        return daemons[0]

    def test_first_run_starts_a_daemon_that_later_runs_use(self):
        self.hello()
        daemon = self.only_daemon()
        self.hello()
        self.assertEqual(self.only_daemon(), daemon)

    def test_ten_shims_at_once_start_exactly_one_daemon(self):
        shims = [self.start_vt('run', 'hello') for _ in range(10)]
        seen = set()
        for shim in shims:
            while shim.process.poll() is None and not shim.output.count('hello\n'):
                seen.update(self.daemons())
                if not shim._read(time.monotonic() + 0.02) and shim.process.poll() is not None:
                    break
            self.assertEqual(shim.finish(), 0, shim.output)
            self.assertIn('hello\n', shim.output)
        seen.update(self.daemons())
        self.only_daemon()
        self.assertEqual(len(seen), 1, f'more than one daemon was seen: {seen}')

    def test_start_status_stop(self):
        self.assertCode(3, self.vt('daemon', 'status'))
        self.assertEqual(self.daemons(), {}, '`status` started a daemon')
        self.assertOk(self.vt('daemon', 'start'))
        daemon = self.only_daemon()
        self.assertOk(self.vt('daemon', 'start'))
        self.assertEqual(self.only_daemon(), daemon)
        self.assertEqual(self.daemon_pid(), daemon)
        self.assertTrue(can_connect(self.daemon_socket()))
        self.assertOk(self.vt('daemon', 'stop'))
        self.wait_gone(self.processes)
        self.assertEqual(self.sockets(), [])
        self.assertOk(self.vt('daemon', 'stop'))

    def test_directories_are_private(self):
        previous = os.umask(0)
        try:
            self.hello()
        finally:
            os.umask(previous)
        path = self.daemon_socket()
        self.assertTrue(path.startswith(self.env['XDG_RUNTIME_DIR']), path)
        for folder in ('r', 'c', 's'):
            if (self.tmp / folder).exists():
                mode = stat.S_IMODE((self.tmp / folder).stat().st_mode)
                self.assertEqual(mode, 0o700, f'{folder} is {mode:o}')
        mode = stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)
        self.assertEqual(mode, 0o700)

    @requires('second_uid')
    def test_another_user_cannot_connect(self):
        self.hello()
        path = self.daemon_socket()
        # Past the directory's mode, the peer's uid is what counts.
        os.chmod(self.tmp, 0o755)
        for folder in ('r', os.path.relpath(os.path.dirname(path), self.tmp)):
            os.chmod(self.tmp / folder, 0o755)
        os.chmod(path, 0o777)

        def greeted(uid):
            done = subprocess.run(
                ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups',
                 '/usr/bin/python3', '-c', GREET, path], check=True, text=True,
                capture_output=True)
            return done.stdout.strip()
        self.assertEqual(greeted(os.getuid()), 'answered')
        self.assertEqual(greeted(65534), 'closed')
        self.hello()

    def test_stale_socket_is_replaced_silently(self):
        self.hello()
        path = self.daemon_socket()
        self.assertOk(self.vt('daemon', 'stop'))
        self.wait_gone(self.processes)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        self.assertTrue(os.path.exists(path))
        self.assertFalse(can_connect(path))
        self.hello()
        self.only_daemon()

    def test_crashed_daemon_is_replaced_silently(self):
        self.hello()
        dead = self.only_daemon()
        os.kill(dead, signal.SIGKILL)
        self.hello()
        self.assertNotEqual(self.only_daemon(), dead)

    def test_run_after_a_crash_still_hits(self):
        self.hello()
        self.assertHit(self.hello())
        os.kill(self.only_daemon(), signal.SIGKILL)
        self.assertHit(self.hello())

    @timeout(90)
    def test_older_daemon_is_replaced_silently(self):
        older = subprocess.Popen(
            [DIST / 'bin/vtaskd', '--foreground', '--test-build', '1'],
            env=self.environment(), cwd=self.tmp, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(older.wait)
        self.addCleanup(older.kill)
        self.wait_until(lambda: any(map(can_connect, self.sockets())),
                        'the older daemon listens')
        self.hello()
        older.wait(30)
        self.only_daemon()
        self.assertHit(self.hello())

    def test_newer_daemon_serves_an_older_shim(self):
        newer = subprocess.Popen(
            [DIST / 'bin/vtaskd', '--foreground', '--test-build', '99999999999'],
            env=self.environment(), cwd=self.tmp, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(newer.wait)
        self.addCleanup(newer.kill)
        self.wait_until(lambda: any(map(can_connect, self.sockets())),
                        'the newer daemon listens')
        self.hello()
        self.assertEqual(self.only_daemon(), newer.pid)
        self.assertOk(self.vt('daemon', 'stop'))
        newer.wait(30)

    def test_one_daemon_a_cache_directory_whatever_the_runtime_directory(self):
        self.hello()
        daemon = self.only_daemon()
        self.hello(env={'XDG_RUNTIME_DIR': str(self.tmp / 'r2')})
        self.assertEqual(self.only_daemon(), daemon)

    def test_other_cache_directory_is_another_daemon(self):
        self.hello()
        other = {'XDG_CACHE_HOME': str(self.tmp / 'c2'),
                 'XDG_RUNTIME_DIR': str(self.tmp / 'r2')}
        self.hello(env=other)
        self.assertEqual(len(self.daemons()), 2)
        self.assertOk(self.vt('daemon', 'stop', env=other))
        self.wait_until(lambda: len(self.daemons()) == 1, 'the other is gone')

    def test_stop_lets_a_running_task_end_and_nothing_is_left(self):
        self.package({'slow': 'echo begun && cat ../h/pipe'})
        os.mkfifo(self.home / 'pipe')
        run = self.start_vt('run', 'slow')
        run.wait_for(r'\$ cat ../h/pipe')
        self.wait_until(self.tasks, 'the task runs')
        path = self.daemon_socket()
        stop = self.start_vt('daemon', 'stop')
        self.wait_until(lambda: not os.path.exists(path), 'the socket is gone')
        with open(self.home / 'pipe', 'w') as pipe:
            pipe.write('end\n')
        self.assertEqual(run.finish(), 0, run.output)
        self.assertIn('end\n', run.output)
        self.assertEqual(stop.finish(), 0, stop.output)
        self.wait_gone(self.processes)

    def test_stop_now_cancels_a_running_task(self):
        self.package({'slow': "sh -c 'echo begun; exec sleep 1000'"})
        run = self.start_vt('run', 'slow')
        run.wait_for('(?m)^begun')
        self.assertOk(self.vt('daemon', 'stop', '--now'))
        self.assertNotEqual(run.finish(), 0, run.output)
        self.wait_gone(self.processes)

    def test_daemon_log_is_in_the_state_directory(self):
        self.hello()
        logs = [p for p in (self.tmp / 's').rglob('*') if p.is_file()]
        self.assertTrue(logs, 'nothing below XDG_STATE_HOME')

    def test_there_is_room_for_descriptors_from_the_start(self):
        """The kernel makes room while all others wait, once there are threads."""
        self.hello()
        with open(f'/proc/{self.only_daemon()}/status', encoding='ascii') as status:
            size = re.search(r'^FDSize:\s*(\d+)', status.read(), re.M)[1]
        self.assertGreaterEqual(int(size), 4096)

    def test_nobody_in_it_sleeps_by_the_clock(self):
        """Who knocks is heard at once, also a second after the last one was
        (daemon/service/no_sleep.cc)."""
        self.hello()
        tasks = pathlib.Path(f'/proc/{self.daemon_pid()}/task')

        def waits():
            for task in tasks.iterdir():
                with contextlib.suppress(OSError):
                    yield (task / 'wchan').read_text()
        if not any('poll' in where for where in waits()):
            self.skipTest('the kernel does not say where a thread waits')
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            for where in waits():
                self.assertNotIn('nanosleep', where)
            time.sleep(0.01)

    def test_version_needs_no_daemon(self):
        result = self.assertOk(self.vt('--version'))
        self.assertTrue(re.search(r'\d+\.\d+\.\d+', result.out), result.out)
        self.assertEqual(self.daemons(), {})
