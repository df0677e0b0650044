#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The crash test: the daemon is killed at random moments of lookup, store, restore and sweep.

    crash.py [--kills N] [--seed N]

Afterwards the next run must start a daemon, succeed and be right, what was stored before
must hit (unless it was being swept away), and no task may have survived. The delays are spread over the duration of a
run; what is asserted holds at any moment.
"""
import argparse
import collections
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import generate
import lab as labs
import tree

PACKAGES = 4
DAEMON_LOST = 69


class Lost(Exception):
    """Something did not survive, or did."""


def tasks():
    made = []
    for i in range(PACKAGES):
        below = [f'read:../p{i - 1}/dist/a.txt'] if i else []
        made.append(generate.Task(
            f'packages/p{i}', 'build',
            [['read:src/a.txt', *below, 'list:src', 'rmrf:dist', 'mkdir:dist/deep',
              'put:dist/a.txt:A', 'big:dist/big.bin:300000', 'big:dist/deep/b.bin:20000',
              f'symlink:a.txt:dist/link', f'say:built{i}']],
            [f'p{i - 1}#build'] if i else [], [], labs.programs()[i % 2]))
    return made


class CrashTest:

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.tasks = tasks()
        packages = [task.package for task in self.tasks]
        files = generate.configuration(packages, self.tasks)
        files.update({f'{package}/src/a.txt': 'alpha\n' for package in packages})
        self.lab = labs.Lab(files, self.tasks)
        self.texts = [f'state {i}\n' for i in range(3)]
        self.counts = collections.Counter()
        self.left = set()
        self.lab.step(self.step())
        self.usual = self.lab.seconds  # what a run takes, of late
        self.usual_sweep = 0.05

    def close(self):
        self.lab.close()

    def step(self):
        """Old and new contents; sometimes the outputs are gone."""
        rng, edits = self.rng, []
        for task in self.tasks:
            if rng.random() < 0.5:
                text = rng.choice(self.texts)
                if rng.random() < 0.2:
                    text = f'new {rng.random()}\n'
                    self.texts = [*self.texts[-7:], text]
                edits.append(('write', f'{task.package}/src/a.txt', text))
            if rng.random() < 0.4:
                edits.append(('remove', f'{task.package}/dist'))
        return {'edits': edits, 'run': {'args': [f'p{PACKAGES - 1}#build'], 'env': {}}}

    def kill_once(self):
        lab = self.lab
        step = self.step()
        pid = self.daemon_pid()
        for edit in step['edits']:
            generate.apply(edit, lab.workspace)
        sweeps = self.rng.random() < 0.2
        # A limit that some results are over: they go, the others must not.
        command = ['cache', 'prune', '--max-size', '1M'] if sweeps else ['run', *step['run']['args']]
        run = subprocess.Popen(
            [labs.DIST / 'bin/vt', *command], cwd=lab.workspace, env=lab.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        delay = self.rng.uniform(0, self.usual_sweep if sweeps else self.usual)
        began = time.monotonic()
        try:
            run.wait(delay)
        except subprocess.TimeoutExpired:
            pass
        os.kill(pid, signal.SIGKILL)
        output, _ = run.communicate(timeout=labs.LIMIT_S)
        if sweeps:
            self.counts['sweeps'] += 1
            if run.returncode == 0:  # it had ended
                self.usual_sweep = (self.usual_sweep + time.monotonic() - began) / 2
            lab.known.clear()  # what is left nobody knows
        if run.returncode not in (0, DAEMON_LOST):
            raise Lost(f'exit code {run.returncode}\n{output.decode(errors="replace")}')
        self.counts['finished' if run.returncode == 0 else 'lost'] += 1
        self.wait_for_tasks()
        self.start_daemon()
        # The same state, or another one, some of which were stored before.
        step['edits'] = []
        needless = len(lab.needless)
        lab.step(step if self.rng.random() < 0.6 else self.step())
        self.usual = (self.usual + lab.seconds) / 2
        if len(lab.needless) > needless:
            raise Lost(f'was stored, and does not hit: {lab.needless[-1]}')
        # A kill between making such a file and giving it its name leaves it: until
        # something is restored there again.
        left = {path for path in tree.read_tree(lab.workspace) if '.vtask-tmp-' in path}
        self.counts['half-written'] += len(left - self.left)
        self.left = left

    def start_daemon(self):
        """Whose first deed is to remove the directories that the last one was filling."""
        lab = self.lab
        subprocess.run([labs.DIST / 'bin/vt', 'daemon', 'start'], env=lab.env, cwd=lab.workspace,
                       check=True, capture_output=True, timeout=labs.LIMIT_S)
        staged = [path for path, value in tree.read_tree(lab.workspace).items()
                  if value[0] == 'd' and '.vtask-tmp-' in path]
        if staged:
            raise Lost(f'half restored directories are left: {staged}')

    def daemon_pid(self):
        done = subprocess.run([labs.DIST / 'bin/vt', 'daemon', 'status'], env=self.lab.env,
                              cwd=self.lab.workspace, capture_output=True, timeout=labs.LIMIT_S)
        match = re.search(rb'\bpid\b\D*(\d+)', done.stdout)
        if not match:
            raise Lost(f'no daemon: {done}')
        return int(match.group(1))

    def wait_for_tasks(self):
        """Until no task lives any more: the keeper sees to that."""
        deadline = time.monotonic() + 10
        while alive := self.living_tasks():
            if time.monotonic() > deadline:
                raise Lost(f'tasks survived the daemon: {alive}')
            time.sleep(0.002)

    def living_tasks(self):
        found = []
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                try:
                    program = os.path.basename(os.readlink(f'/proc/{entry}/exe'))
                    where = os.readlink(f'/proc/{entry}/cwd')
                except OSError:
                    continue
                if program.startswith('vt_act') and where.startswith(str(self.lab.tmp)):
                    found.append(entry)
        return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    test = CrashTest(options.seed)
    try:
        for i in range(options.kills):
            test.kill_once()
    except (Lost, labs.Wrong) as problem:
        print(f'=== kill {i + 1}, seed {options.seed}: {problem}')
        log = ''.join(p.read_text(errors='replace') for p in test.lab.tmp.rglob('*.log'))
        print('\n'.join(log.splitlines()[-30:]))
        return 1
    finally:
        test.close()
    print(f'{options.kills} kills clean ({test.counts["lost"]} runs lost their daemon, '
          f'{test.counts["finished"]} had ended, {test.counts["sweeps"]} were sweeps, '
          f'{test.counts["half-written"]} half-written files were left); '
          f'{dict(test.lab.counts)}; {time.monotonic() - began:.0f} s')
    return 0


if __name__ == '__main__':
    sys.exit(main())
