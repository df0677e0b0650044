# SPDX-License-Identifier: Apache-2.0
"""Makes the workspaces of the benchmarks: the same for the same size, always.

Package i depends on up to three packages of smaller number, half of them near
it; nobody depends on the last one, the leaf.
"""
import json
import pathlib
import random
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
# Packages and files in each one's src/, of 2 KB.
SIZES = {'S': (10, 20), 'M': (100, 100), 'L': (1000, 100)}
FAN = 3
FILES_READ = 200
# Real packages of the registry, for `install`.
MODULES = {name: 'latest' for name in (
    'chalk commander debug dotenv ini kleur minimist ms nanoid picocolors react'
    ' react-dom rxjs scheduler semver tslib uuid yargs-parser zod date-fns').split()}
FILE_BYTES = 2048


def dependencies(packages, rnd):
    """For each package the numbers of those it depends on."""
    out = []
    for number in range(packages):
        chosen = set()
        while len(chosen) < min(number, FAN):
            low = max(0, number - 8) if rnd.random() < 0.5 else 0
            chosen.add(rnd.randrange(low, number))
        out.append(sorted(chosen))
    return out


def make(root, size):
    """Makes workspace `root`, which must not be there; returns the leaf."""
    packages, files = SIZES[size]
    rnd = random.Random(1)
    root.mkdir(parents=True)
    (root / 'package.json').write_text('{"name": "root", "private": true}\n')
    (root / 'pnpm-workspace.yaml').write_text('packages:\n  - "packages/*"\n')
    subprocess.run(['gcc', '-O2', '-o', root / 'build_step',
                    HERE / 'build_step.c'], check=True)
    bodies = [''.join(f'export const k{j:03d}{n:02d} = "{rnd.getrandbits(128):032x}";\n'
                      for n in range(FILE_BYTES // 56)) for j in range(files)]
    names = [f'p{number:04d}' for number in range(packages)]
    task = {'command': '../../build_step', 'cache': True,
            'dependsOn': [{'task': 'build', 'from': 'dependencies'}]}
    for name, depends in zip(names, dependencies(packages, rnd)):
        package = root / 'packages' / name
        (package / 'src').mkdir(parents=True)
        for j, body in enumerate(bodies):
            (package / 'src' / f'm{j:03d}.ts').write_text(f'// {name} {j}\n{body}')
        (package / 'deps.txt').write_text(
            ''.join(f'../{names[d]}\n' for d in depends))
        (package / 'package.json').write_text(json.dumps(
            {'name': name, 'version': '1.0.0',
             'dependencies': {names[d]: 'workspace:*' for d in depends}}))
        (package / 'vite-task.json').write_text(
            json.dumps({'tasks': {'build': task}}))
    return root / 'packages' / names[-1]


def install(root, pnpm, env):
    """Has pnpm install MODULES for each package, and its task read some of their
    files; returns how many."""
    for package in sorted((root / 'packages').iterdir()):
        manifest = json.loads((package / 'package.json').read_text())
        manifest['dependencies'].update(MODULES)
        (package / 'package.json').write_text(json.dumps(manifest))
    subprocess.run([*pnpm, 'install', '--package-import-method=hardlink',
                    f'--store-dir={root.parent}/store', '--ignore-scripts', '--silent'],
                   cwd=root, env=env, check=True, stdin=subprocess.DEVNULL)
    package = root / 'packages/p0000'
    files = [str(file.relative_to(package)) for name in MODULES
             for file in sorted((package / 'node_modules' / name).iterdir())
             if file.is_file()][:FILES_READ]
    assert all((package / file).stat().st_nlink > 1 for file in files), 'no hard links'
    for package in (root / 'packages').iterdir():
        (package / 'modules.txt').write_text(''.join(f'{file}\n' for file in files))
    return len(files)


def remove_outputs(root):
    for package in (root / 'packages').iterdir():
        shutil.rmtree(package / 'dist', ignore_errors=True)
