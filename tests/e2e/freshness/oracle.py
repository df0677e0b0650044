# SPDX-License-Identifier: Apache-2.0
"""The oracle of freshness: random edits, and after each one a run that may trust
what the daemon has watched, one that may not (VT_VERIFY=stat), and what the
outputs must be. All three must agree.

    tests/e2e/freshness/oracle.py [--steps N] [--seed N]
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'support'))
from vtask_e2e import VtTest  # pylint: disable=wrong-import-position

STEP = '''mkdir -p dist
{ cat ../../version; printf '%s\\n' "$FLAVOUR"; cat src/*; } > dist/out
for d in $(cat deps.txt); do cat $d/dist/out >> dist/out; done
ls src > dist/list
wc -c < dist/out
'''
DEPENDS = {'a': [], 'b': ['a'], 'c': ['a', 'b'], 'd': []}
# So many that their directory is remembered apart (daemon/cache/parts.h).
MANY = {'a': [f'm{number:02d}' for number in range(20)]}
# What a run says of the cache may differ where both say the same of the tasks.
STATUS = re.compile(r' [◉○] cache (hit, replaying|miss: .*, executing)'
                    r'|^vt run: .*$|^---$', re.M)


class Oracle(VtTest):
    """Not a test by itself: `run_steps` is."""

    def make(self, seed):
        self.rnd = random.Random(seed)
        self.flavour = 'plain'
        self.answers = 0
        self.write('pnpm-workspace.yaml', 'packages: ["packages/*"]\n')
        self.write('package.json', {'name': 'root', 'private': True})
        self.write('version', 'v1\n')
        self.write('step.sh', STEP)
        self.write('.gitignore', 'dist\n')
        for name, deps in DEPENDS.items():
            self.package(where=f'packages/{name}', tasks={'build': {
                'command': 'sh ../../step.sh', 'cache': {'env': ['FLAVOUR']},
                'dependsOn': [{'task': 'build', 'from': 'dependencies'}]}})
            self.write(f'packages/{name}/package.json', {
                'name': name, 'dependencies': {d: 'workspace:*' for d in deps}})
            self.write(f'packages/{name}/deps.txt',
                       ''.join(f'../{d}\n' for d in deps))
            for file in ('x', 'y', *MANY.get(name, ())):
                self.write(f'packages/{name}/src/{file}', f'{name} {file}\n')
        self.git('init', '-q', '-b', 'one')
        self.git('add', '-A')
        self.git('commit', '-qm', 'one')
        self.git('checkout', '-qb', 'two')
        for name in DEPENDS:
            self.write(f'packages/{name}/src/x', f'two {name}\n')
        self.git('commit', '-qam', 'two')

    def git(self, *args):
        subprocess.run(['git', '-c', 'user.name=o', '-c', 'user.email=o@localhost',
                        *args], cwd=self.workspace, check=True,
                       env=self.environment(), stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    # --- what must come out -------------------------------------------------

    def expected(self):
        """{output: content}, from the sources alone."""
        version, out = self.read('version'), {}
        for name, deps in DEPENDS.items():
            src = self.workspace / f'packages/{name}/src'
            names = sorted(os.listdir(src))
            text = version + self.flavour + '\n'
            # `cat` complains of links that dangle, and goes on.
            text += ''.join((src / file).read_text() for file in names
                            if (src / file).exists())
            text += ''.join(out[f'{d}/out'] for d in deps)
            out[f'{name}/out'] = text
            out[f'{name}/list'] = ''.join(f'{file}\n' for file in names)
        return out

    def found(self):
        return {f'{name}/{file}': self.read(f'packages/{name}/dist/{file}')
                for name in DEPENDS for file in ('out', 'list')}

    # --- what happens -------------------------------------------------------

    def source(self):
        name = self.rnd.choice(list(DEPENDS))
        src = self.workspace / f'packages/{name}/src'
        there = [file for file in sorted(os.listdir(src)) if (src / file).exists()]
        if not there:  # links that dangle
            (src / 'x').write_text(self.text())
            there = ['x']
        return src / self.rnd.choice(there)

    def text(self):
        return f'{self.rnd.randrange(10):d} {self.rnd.randrange(5):d}\n'

    def edit_write(self):
        self.source().write_text(self.text())

    def edit_same_identity(self):
        """Same size, same time: only the change time tells."""
        path = self.source()
        info = path.stat()
        text = path.read_text()
        path.write_text(''.join(self.rnd.sample(text[:-1], len(text) - 1)) + '\n')
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))

    def edit_append(self):
        with self.source().open('a') as file:
            file.write(self.text())

    def edit_touch(self):
        os.utime(self.source())

    def edit_replace(self):
        path = self.source()
        other = path.with_name('.new')
        other.write_text(self.text())
        os.rename(other, path)

    def edit_add(self):
        path = self.source().parent / f'n{self.rnd.randrange(3)}'
        if not path.is_symlink():
            path.write_text(self.text())

    def edit_remove(self):
        path = self.source()
        if len(os.listdir(path.parent)) > 1:
            path.unlink()

    def edit_link(self):
        path = self.source()
        if path.name.startswith('n') and not path.is_symlink():
            path.unlink()
            path.symlink_to(self.rnd.choice(['x', 'y']))
            if not path.exists():
                path.unlink()
                path.write_text('dangled\n')

    def edit_second_name(self):
        """By two names at once; then written by the one nobody watches."""
        path = self.source()
        outside = self.tmp / 'outside'
        outside.unlink(missing_ok=True)
        if path.is_symlink():
            return
        os.link(path, outside)
        path.write_text(self.text())
        self.check()
        self.vt('run', '-r', 'build', env={'FLAVOUR': self.flavour})
        outside.write_text(self.text())

    def edit_second_name_inside(self):
        path = self.source()
        second = path.parent / 'n1'
        if not path.is_symlink() and not second.exists() and not second.is_symlink():
            os.link(path, second)
            self.check()
            second.write_text(self.text())

    def edit_rename_directory(self):
        src = self.source().parent
        away = src.with_name('away')
        os.rename(src, away)
        if self.rnd.random() < 0.5:
            shutil.copytree(away, src, symlinks=True)
            (src / 'x').unlink(missing_ok=True)
            (src / 'x').write_text(self.text())
            if away.is_symlink():
                away.unlink()
            else:
                shutil.rmtree(away)
        else:
            os.rename(away, src)

    def edit_rename_package(self):
        packages = self.workspace / 'packages'
        name = self.rnd.choice(list(DEPENDS))
        os.rename(packages / name, self.tmp / 'away')
        if self.rnd.random() < 0.5:
            self.agree()
        os.rename(self.tmp / 'away', packages / name)

    def edit_through_link(self):
        """The package behind a link."""
        packages = self.workspace / 'packages'
        name = self.rnd.choice(list(DEPENDS))
        src = packages / name / 'src'
        if src.is_symlink():
            real = src.resolve()
            src.unlink()
            os.rename(real, src)
        else:
            # A checkout may have left it.
            shutil.rmtree(packages / name / 'real', ignore_errors=True)
            os.rename(src, packages / name / 'real')
            src.symlink_to('real')

    def edit_outputs(self):
        dist = self.workspace / 'packages' / self.rnd.choice(list(DEPENDS)) / 'dist'
        what = self.rnd.randrange(5)
        if what == 0:
            shutil.rmtree(dist, ignore_errors=True)
        elif dist.is_dir() and (dist / 'out').is_file():
            if what == 1:
                (dist / 'out').unlink()
            elif what == 2:
                (dist / 'out').write_text('mine\n')
            elif what == 3:
                (dist / 'out').chmod(self.rnd.choice([0o600, 0o644, 0o755]))
            else:
                os.rename(dist, dist.with_name('moved'))
                shutil.rmtree(dist.with_name('moved'))

    def edit_tool(self):
        self.write('version', f'v{self.rnd.randrange(4)}\n')

    def edit_flavour(self):
        self.flavour = self.rnd.choice(['plain', 'vanilla'])

    def edit_configuration(self):
        name = self.rnd.choice(list(DEPENDS))
        path = self.workspace / f'packages/{name}/vite-task.json'
        path.write_text(path.read_text().rstrip() + self.rnd.choice(['\n', ' \n']))

    def edit_extra_package(self):
        extra = self.workspace / 'packages/extra'
        if extra.exists():
            shutil.rmtree(extra)
        else:
            self.package(where='packages/extra', tasks={'build': 'echo extra'})

    def edit_checkout(self):
        self.git('checkout', '-qf', self.rnd.choice(['one', 'two']))

    def edit_recreate(self):
        copy = self.tmp / 'copy'
        shutil.copytree(self.workspace, copy, symlinks=True)
        shutil.rmtree(self.workspace)
        os.rename(copy, self.workspace)
        if self.rnd.random() < 0.5:
            self.edit_write()

    def edit_many(self):
        """More events than the queue takes."""
        limit = int(pathlib.Path(
            '/proc/sys/fs/inotify/max_queued_events').read_text())
        first, second = self.workspace / 'version', self.source()
        for _ in range(limit // 2 + 100):
            os.chmod(first, 0o644)
            os.chmod(second, 0o644)
        self.edit_write()

    def edit_while_it_starts(self):
        """In the same moment: that run may see either, the next one may not."""
        run = self.start_vt('run', '-r', 'build', env={'FLAVOUR': self.flavour})
        for _ in range(self.rnd.randrange(4)):
            self.edit_write()
        run.finish()

    # --- agreement ----------------------------------------------------------

    def run_both(self):
        env = {'FLAVOUR': self.flavour}
        fast = self.vt('run', '-r', 'build', env=env)
        slow = self.vt('run', '-r', 'build', env={**env, 'VT_VERIFY': 'stat'})
        return fast, slow

    def agree(self):
        """The workspace may be broken; then both must say how."""
        fast, slow = self.run_both()
        self.assertEqual(fast.code, slow.code, f'\n{fast}\n{slow}')
        self.assertEqual(sorted(STATUS.sub('', fast.text).splitlines()),
                         sorted(STATUS.sub('', slow.text).splitlines()),
                         f'\n{fast}\n{slow}')
        return fast, slow

    def check(self):
        fast, slow = self.agree()
        self.assertOk(fast)
        self.assertEqual(self.found(), self.expected(), f'\n{fast}')
        # Whatever the first one had missed, this one would have done.
        self.assertNotIn('cache miss', slow.out, f'\n{fast}\n{slow}')

    def run_steps(self, steps, seed):
        self.make(seed)
        edits = [getattr(self, name) for name in sorted(dir(self))
                 if name.startswith('edit_') and name != 'edit_many']
        for step in range(steps):
            edit = (self.edit_many if self.rnd.random() < 0.003
                    else self.rnd.choice(edits))
            if self.rnd.random() < 0.3:
                # Until it is known: then the edit must be noticed by events.
                for _ in range(3):
                    self.vt('run', '-r', 'build', env={'FLAVOUR': self.flavour})
            self.history.clear()
            try:
                edit()
                self.check()
            except AssertionError as error:
                raise AssertionError(f'seed {seed}, step {step}, '
                                     f'{edit.__name__}: {error}') from None
        status = self.vt('daemon', 'status')
        self.answers = int(re.search(r'\((\d+) runs answered', status.out).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--steps', type=int, default=10000)
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()

    class OracleCommand(Oracle):
        def runTest(self):
            self.run_steps(options.steps, options.seed)
            print(f'{options.steps} steps agree; {self.answers} runs were '
                  'answered from memory')

    result = unittest.TextTestRunner().run(OracleCommand())
    sys.exit(not result.wasSuccessful())


if __name__ == '__main__':
    main()
