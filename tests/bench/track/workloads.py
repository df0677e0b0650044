# SPDX-License-Identifier: Apache-2.0
"""The rows of bench_track.py: programs that lean on the file system in different
ways. All of it is made below one directory, once; the same seed gives the same
files. `scale` below 1 makes small ones, for trying out the benchmark itself."""
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import typing

# What the rows with JavaScript tools build: an application that imports three
# real libraries, about a thousand modules and as many type declarations.
PACKAGES = {
    'three': '0.187.0', '@types/three': '0.187.0', 'date-fns': '4.4.0',
    'rxjs': '7.8.2', '@types/node': '26.6.6', 'vite': '8.3.8',
    'esbuild': '0.28.2', 'typescript5': 'npm:typescript@5.8.3',
    'typescript7': 'npm:typescript@7.0.2',
}
VP_VERSION = '1.6.0'

MICRO = r'''
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char** argv) {
  int files = atoi(argv[1]), rounds = atoi(argv[2]);
  for (int i = 0; i < rounds; ++i) {
    char name[64];
    struct stat status;
    snprintf(name, sizeof name, "files/%d.txt", i % files);
    int fd = open(name, O_RDONLY);
    if (fd < 0 || close(fd) != 0 || stat(name, &status) != 0) return 1;
  }
  return argc != 3;
}
'''

APP = '''
import * as THREE from 'three/src/Three.js'
import * as dateFns from 'date-fns'
import * as rxjs from 'rxjs'
import * as operators from 'rxjs/operators'
console.log(Object.keys({ ...THREE, ...dateFns, ...rxjs, ...operators }).length)
'''

TYPES = '''
import * as THREE from 'three'
import * as dateFns from 'date-fns'
import * as rxjs from 'rxjs'
import { readFileSync } from 'node:fs'
const mesh: THREE.Mesh = new THREE.Mesh()
export const when: Date = dateFns.addDays(new Date(), 1)
export const bytes: rxjs.Observable<string> = rxjs.of(readFileSync('x', 'utf8'))
console.log(mesh.position.x)
'''


def npm_install(place, *packages):
    """With the user's own settings of npm: registries, proxies."""
    subprocess.run(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund',
                    '--loglevel', 'error', *packages], cwd=place, check=True,
                   stdout=subprocess.DEVNULL)


@dataclasses.dataclass
class Row:
    name: str
    cwd: pathlib.Path
    argv: list           # argv[0] absolute
    limit: float         # of the ratio to untraced (issue 3)
    aim: float
    # Removed before each run, relative to cwd.
    outputs: typing.Sequence = ()
    # May its memory be of huge pages? Chance decides how many a program of many
    # threads gets, and zeroing them took a third of the time of vite.
    huge_pages: bool = True

    def reset(self):
        for name in self.outputs:
            shutil.rmtree(self.cwd / name, ignore_errors=True)


class Workloads:
    """Makes what the rows need below `home` on first use."""

    def __init__(self, home, node, scale=1.0):
        self.home = pathlib.Path(home)
        self.node = str(node)
        self.scale = scale
        self.env = {'PATH': f'{pathlib.Path(node).parent}:/usr/local/bin:/usr/bin:/bin',
                    'HOME': str(self.home / 'home'), 'LANG': 'C.UTF-8',
                    'GIT_CONFIG_NOSYSTEM': '1', 'VP_NO_UPDATE_CHECK': '1'}

    def row(self, name):
        return getattr(self, 'row_' + name)()

    def made(self, name, make):
        """The directory `name`, filled by `make` if it is not there yet."""
        place = self.home / name
        stamp = place / '.made'
        want = json.dumps([self.scale, PACKAGES])
        if not stamp.exists() or stamp.read_text() != want:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            make(place)
            stamp.write_text(want)
        (self.home / 'home').mkdir(exist_ok=True)
        return place

    def number(self, full, least=10):
        return max(least, int(full * self.scale))

    def run(self, *argv, cwd):
        subprocess.run(argv, cwd=cwd, env=self.env, check=True,
                       stdout=subprocess.DEVNULL)

    def row_micro(self):
        files = self.number(1000)

        def make(place):
            (place / 'files').mkdir()
            for i in range(files):
                (place / f'files/{i}.txt').write_text('x\n')
            (place / 'micro.c').write_text(MICRO)
            self.run('/usr/bin/cc', '-O2', '-o', 'micro', 'micro.c', cwd=place)
        place = self.made('micro', make)
        return Row('micro', place, [str(place / 'micro'), str(files),
                                    str(self.number(60000))], 1.20, 1.10)

    def row_node(self):
        modules = self.number(1500)

        def make(place):
            for i in range(modules):
                folder = place / 'modules' / str(i % 50)
                folder.mkdir(parents=True, exist_ok=True)
                body = '\n'.join(f'exports.f{k} = (a) => a.map((x) => x * {k} + {i})'
                                 for k in range(20))
                (folder / f'm{i}.js').write_text(body + '\n')
            (place / 'main.js').write_text('\n'.join(
                f"require('./modules/{i % 50}/m{i}')" for i in range(modules)))
        place = self.made('node', make)
        return Row('node-require', place, [self.node, 'main.js'], 1.05, 1.03)

    def row_fork(self):
        place = self.made('fork', lambda place: (place / 'loop.sh').write_text(
            'i=0\nwhile [ $i -lt $1 ]; do /bin/true; i=$((i+1)); done\n'))
        return Row('fork-loop', place,
                   ['/bin/sh', 'loop.sh', str(self.number(1000))], 1.20, 1.10)

    def row_git(self):
        files = self.number(20000)

        def make(place):
            for i in range(files):
                folder = place / f'd{i % 40}' / f'e{i // 40 % 50}'
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f'f{i}.js').write_text(f'export default {i}\n')
            (place / '.gitignore').write_text('node_modules\n.made\npackage.json\n'
                                              'vite.config.mjs\n')
            self.run('git', 'init', '-q', cwd=place)
            self.run('git', 'add', '.', cwd=place)
            self.run('git', '-c', 'user.name=b', '-c', 'user.email=b@localhost',
                     'commit', '-qm', 'all', cwd=place)
        place = self.made('git', make)
        return Row('git-status', place, ['/usr/bin/git', 'status', '--short'],
                   1.20, 1.10)

    def app(self):
        def make(place):
            (place / 'package.json').write_text(json.dumps(
                {'name': 'app', 'private': True, 'type': 'module',
                 'dependencies': PACKAGES}))
            npm_install(place)
            (place / 'src').mkdir()
            (place / 'src/main.js').write_text(APP)
            (place / 'types.ts').write_text(TYPES)
            (place / 'index.html').write_text(
                '<!doctype html><script type="module" src="/src/main.js"></script>\n')
            (place / 'tsconfig.json').write_text(json.dumps({
                'compilerOptions': {
                    'strict': True, 'module': 'nodenext', 'target': 'es2022',
                    'lib': ['es2023', 'dom'], 'types': ['node'],
                    'skipLibCheck': True, 'outDir': 'out'},
                'files': ['types.ts']}))
        return self.made('app', make)

    def row_tsc5(self):
        place = self.app()
        return Row('tsc5', place,
                   [self.node, 'node_modules/typescript5/lib/tsc.js', '-p', '.'],
                   1.05, 1.03, ('out',))

    def row_tsc7(self):
        place = self.app()
        program = place / 'node_modules/@typescript/typescript-linux-x64/lib/tsc'
        return Row('tsc7', place, [str(program), '-p', '.'], 1.15, 1.10, ('out',))

    def row_vite(self):
        place = self.app()
        return Row('vite-build', place,
                   [self.node, 'node_modules/vite/bin/vite.js', 'build', '--logLevel',
                    'error'], 1.05, 1.03, ('dist',), huge_pages=False)

    def row_esbuild(self):
        place = self.app()
        program = place / 'node_modules/@esbuild/linux-x64/bin/esbuild'
        return Row('esbuild', place,
                   [str(program), '--bundle', '--minify', '--log-level=error',
                    '--outdir=bundle', 'src/main.js'], 1.20, 1.10, ('bundle',))


class Vp:
    """`vp run` of vite-plus on a row: its tracer, called fspy."""

    def __init__(self, workloads):
        self.env = workloads.env
        self.place = workloads.home / 'vp'
        if not (self.place / 'node_modules/vite-plus').is_dir():
            self.place.mkdir(parents=True, exist_ok=True)
            (self.place / 'package.json').write_text('{"private": true}\n')
            npm_install(self.place, f'vite-plus@{VP_VERSION}')

    def prepare(self, row):
        package = row.cwd / 'package.json'
        if not package.exists():
            package.write_text('{"name": "row", "private": true}\n')
        (row.cwd / 'vite.config.mjs').write_text(
            'export default { run: { tasks: { row: %s } } }\n'
            % json.dumps(' '.join(row.argv)))

    def cpu_us(self, row, *flags):
        """User and system time of one run and all its processes."""
        shutil.rmtree(row.cwd / 'node_modules/.vite', ignore_errors=True)
        argv = [str(self.place / 'node_modules/.bin/vp'), 'run', *flags, 'row']
        process = subprocess.Popen(argv, cwd=row.cwd, env=self.env,
                                   stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0 or b'cache hit' in output:
            raise RuntimeError(f'{argv} in {row.cwd}:\n{output.decode()}')
        return round((usage.ru_utime + usage.ru_stime) * 1e6)
