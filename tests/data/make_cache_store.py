#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/cache-v1.tar.xz: a workspace and the cache that its runs have
filled, for tests/e2e/cache/test_format.py. Run it once for each new number of the
stored format, and never again: what is committed must be opened for ever.

    VT_TEST_DIST=build/release/dist tests/data/make_cache_store.py FILE

No executed programs are in it (`toolchain: "none"`), so that it hits on every
machine.
"""
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIST = pathlib.Path(os.environ.get('VT_TEST_DIST', ROOT / 'build/release/dist')).resolve()

SCRIPT = '''set -e
test -e missing.txt && exit 1
mkdir -p dist/empty
cat in.txt >dist/small.txt
for i in 1 2 3 4 5 6 7 8; do cat large.txt; done >dist/large.txt
cat in.txt >dist/run.sh
chmod 755 dist/run.sh
ln -sf small.txt dist/link
ls src
echo "to stderr" >&2
'''
TASKS = {'tasks': {
    'build': {'command': 'sh build.sh', 'cache': {'env': ['MODE']}},
    'globs': {'command': 'cat in.txt', 'cache': {'input': ['src/**'], 'output': []}},
    'bound': {'command': 'sh -c pwd'}}}


def write_workspace(where):
    (where / 'src').mkdir(parents=True)
    files = {'package.json': json.dumps({'name': 'old', 'private': True}),
             'vite-task.json': json.dumps(TASKS, indent=1), 'build.sh': SCRIPT,
             'in.txt': 'one\n', 'src/a.txt': 'a\n', 'src/b.txt': 'b\n',
             'large.txt': ''.join(f'line {i * i}\n' for i in range(200))}
    for name, text in files.items():
        (where / name).write_text(text)


def main():
    target = pathlib.Path(sys.argv[1]).resolve()
    tmp = pathlib.Path(tempfile.mkdtemp(prefix='vt.', dir='/tmp'))
    workspace = tmp / 'workspace'
    write_workspace(workspace)
    (tmp / 'config/vtask').mkdir(parents=True)
    (tmp / 'config/vtask/config.json').write_text('{"toolchain": "none"}')
    env = {'PATH': '/usr/bin:/bin', 'HOME': str(tmp), 'LANG': 'C.UTF-8', 'MODE': 'old',
           'XDG_RUNTIME_DIR': str(tmp / 'r'), 'XDG_STATE_HOME': str(tmp / 's'),
           'XDG_CACHE_HOME': str(tmp / 'c'), 'XDG_CONFIG_HOME': str(tmp / 'config')}

    def vt(*args):
        subprocess.run([DIST / 'bin/vt', *args], cwd=workspace, env=env, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for text in ('one\n', 'two\n'):
            (workspace / 'in.txt').write_text(text)
            for task in ('build', 'globs', 'bound'):
                vt('run', task)
            shutil.rmtree(workspace / 'dist')
        vt('daemon', 'stop')
        store = tmp / 'c/vtask/v1'
        for name in ('daemon.lock', 'db/LOCK', 'db/vtask.lock', 'db/LOG'):
            (store / name).unlink(missing_ok=True)
        for old in store.glob('db/LOG.old.*'):
            old.unlink()

        def plain(info):
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ''
            return info
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode='w:xz') as archive:
            archive.add(workspace, 'workspace', filter=plain)
            archive.add(store, 'v1', filter=plain)
        target.write_bytes(data.getvalue())
    finally:
        shutil.rmtree(tmp)
    print(f'{target}: {target.stat().st_size} bytes')


if __name__ == '__main__':
    main()
