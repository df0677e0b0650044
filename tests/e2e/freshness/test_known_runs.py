# SPDX-License-Identifier: Apache-2.0
"""A run that nothing has happened to is answered without a look at the files, and
only that one (docs/FRESHNESS.md)."""
import json
import os
import re
import shutil
import subprocess
import time

from vtask_e2e import VtTest, requires, timeout

STEP = '''mkdir -p dist
{ cat "$0/../version"; printf '%s\\n' "$FLAVOUR"; cat src/*; } > dist/out
for d in $(cat deps.txt); do cat $d/dist/out >> dist/out; done
ls src > dist/list
wc -c < dist/out
'''


class KnownRunTest(VtTest):

    def setUp(self):
        super().setUp()
        self.write('pnpm-workspace.yaml', 'packages: ["packages/*"]\n')
        self.write('package.json', {'name': 'root', 'private': True})
        self.write('version', 'v1\n')
        for name, deps in (('a', ''), ('b', 'a')):
            self.package(where=f'packages/{name}', tasks={'build': {
                'command': 'sh ../../step.sh', 'cache': {'env': ['FLAVOUR']},
                'dependsOn': [{'task': 'build', 'from': 'dependencies'}]}})
            self.write(f'packages/{name}/src/x', f'{name}\n')
            self.write(f'packages/{name}/deps.txt',
                       ''.join(f'../{d}\n' for d in deps))
        self.write('packages/b/package.json', {
            'name': 'b', 'dependencies': {'a': 'workspace:*'}})
        self.write('step.sh', STEP.replace('$0/../', '../../'))

    def build(self, *flags, **options):
        return self.assertOk(self.vt('run', '-r', *flags, 'build', **options))

    def known_runs(self):
        status = self.assertOk(self.vt('daemon', 'status'))
        return int(re.search(r'\((\d+) runs answered', status.out).group(1))

    def settle(self, run=None, **options):
        """Runs until it is known, and returns what it says then."""
        for _ in range(6):
            before = self.known_runs()
            result = run() if run else self.build(**options)
            if self.known_runs() > before:
                return result
        raise AssertionError(f'never known\n{result}')

    def assertNotKnown(self, run=None):
        before = self.known_runs()
        result = (run or self.build)()
        self.assertEqual(self.known_runs(), before, f'answered from memory\n{result}')
        return result

    def test_an_unchanged_run_becomes_known_and_says_the_same(self):
        self.build()
        slow = self.build(env={'VT_VERIFY': 'stat'})
        fast = self.settle()
        self.assertEqual((fast.out, fast.err), (slow.out, slow.err))
        self.assertIn('2/2 cache hit (100%)', fast.out)

    def test_the_first_run_that_finds_all_done_is_the_last_that_looks(self):
        self.build()
        self.assertIn('2/2 cache hit (100%)', self.assertNotKnown().out)
        before = self.known_runs()
        self.build()
        self.assertEqual(self.known_runs(), before + 1)
        # Also of a daemon that knows nothing yet. (It reads the workspace for
        # the first time, too: that takes another run.)
        self.assertOk(self.vt('daemon', 'stop'))
        self.build()
        self.build()
        before = self.known_runs()
        self.build()
        self.assertEqual(self.known_runs(), before + 1)

    def test_verify_by_stat_is_never_answered_from_memory(self):
        self.build()
        for _ in range(5):
            self.assertNotKnown(lambda: self.build(env={'VT_VERIFY': 'stat'}))

    def test_other_requests_are_other_runs(self):
        self.build()
        self.settle()
        self.assertNotKnown(lambda: self.build(env={'FLAVOUR': 'vanilla'}))
        self.assertIn('vanilla', self.read('packages/b/dist/out'))
        self.assertNotKnown(lambda: self.build('-v'))
        self.assertNotKnown(lambda: self.build('--force'))
        # Back again: the outputs are those of another variable.
        self.assertNotIn('vanilla', self.settle() and self.read('packages/b/dist/out'))

    @timeout(240)
    def test_whatever_changes_is_noticed(self):
        outside = self.tmp / 'other'
        source = self.workspace / 'packages/a/src/x'
        package = self.workspace / 'packages/a'

        def same_size_same_time():
            info = source.stat()
            source.write_text('Z\n')
            os.utime(source, ns=(info.st_atime_ns, info.st_mtime_ns))

        changes = {
            'content': lambda: source.write_text('other\n'),
            'content of the same size and time': same_size_same_time,
            'a new file': lambda: self.write('packages/a/src/new', 'n\n'),
            'a file less': (package / 'src/new').unlink,
            'a directory exchanged': lambda: (
                shutil.copytree(package / 'src', package / 'src2'),
                (package / 'src2/x').write_text('2\n'),
                os.rename(package / 'src', outside),
                os.rename(package / 'src2', package / 'src')),
            'an input of the tool': lambda: self.write('version', 'v2\n'),
            'the tool': lambda: self.write(
                'step.sh', (self.workspace / 'step.sh').read_text() + '# more\n'),
            'the command': lambda: self.write(
                'packages/a/vite-task.json', {'tasks': {'build': {
                    'command': 'sh ../../step.sh && echo more'}}}),
            'a package more': lambda: self.package(
                where='packages/c', tasks={'build': 'echo c'}),
            'a package less': lambda: shutil.rmtree(self.workspace / 'packages/c'),
        }
        self.build()
        for name, change in changes.items():
            with self.subTest(name):
                self.settle()
                change()
                self.assertNotKnown()
                slow = self.build(env={'VT_VERIFY': 'stat'})
                fast = self.settle()
                # Tasks that wait for nothing come in any order.
                self.assertEqual(sorted(fast.out.splitlines()),
                                 sorted(slow.out.splitlines()))

    @timeout(120)
    def test_outputs_that_somebody_changes_are_restored(self):
        out = self.workspace / 'packages/a/dist/out'
        self.build()
        built = self.snapshot('packages')
        changes = {
            'removed': lambda: shutil.rmtree(self.workspace / 'packages/a/dist'),
            'one removed': out.unlink,
            'written': lambda: out.write_text('mine'),
        }
        for name, change in changes.items():
            with self.subTest(name):
                self.settle()
                change()
                self.assertNotKnown()
                self.assertEqual(self.snapshot('packages'), built)

    def test_a_source_among_many_is_noticed_beside_what_was_restored(self):
        # So many that their directory is remembered apart (cache/parts.h).
        many = [f'packages/a/src/m{number:02d}' for number in range(30)]
        for path in many:
            self.write(path, 'old\n')

        def dist(text):
            self.assertEqual(self.read('packages/b/dist/out').count(text), 1, text)

        def lose():
            for name in 'ab':
                shutil.rmtree(self.workspace / f'packages/{name}/dist')

        self.build()
        self.settle()
        lose()
        self.build()
        self.write(many[3], 'after it was restored\n')
        self.build()
        dist('after it was restored')
        self.settle()
        lose()
        self.write(many[5], 'with the outputs gone\n')
        self.build()
        dist('with the outputs gone')
        lose()
        os.unlink(self.workspace / many[7])
        self.write('packages/a/src/new', 'in its place\n')
        self.build()
        dist('in its place')
        self.assertEqual(self.read('packages/a/dist/list').count('m07'), 0)

    def test_a_workspace_made_anew_is_not_the_old_one(self):
        self.build()
        self.settle()
        copy = self.tmp / 'copy'
        shutil.copytree(self.workspace, copy)
        holder = os.open(self.workspace, os.O_RDONLY)  # as a shell in it would
        shutil.rmtree(self.workspace)
        shutil.copytree(copy, self.workspace)
        self.write('packages/a/src/x', 'anew\n')
        self.assertNotKnown()
        self.assertIn('anew', self.read('packages/b/dist/out'))
        self.settle()
        self.write('packages/a/src/x', 'again\n')
        self.assertNotKnown()
        self.assertIn('again', self.read('packages/b/dist/out'))
        os.close(holder)

    def test_a_cleaned_cache_forgets_what_was_known(self):
        self.build()
        self.settle()
        self.assertOk(self.vt('cache', 'clean'))
        result = self.assertNotKnown()
        self.assertIn('0/2 cache hit', result.out)

    def test_a_pruned_cache_forgets_what_was_known(self):
        self.build()
        self.settle()
        self.assertOk(self.vt('cache', 'prune', '--max-size', '0'))
        result = self.assertNotKnown()
        self.assertIn('0/2 cache hit', result.out)

    def test_another_umask_is_another_lookup(self):
        self.package(where='packages/a', tasks={'build': 'sh mask.sh'})
        self.write('packages/a/mask.sh', 'umask > mask\n')

        def run(mask):
            return self.assertOk(self.command(
                'sh', '-c', f'umask {mask}; exec "$0" run a#build', self.vt_program))
        run('022')
        for _ in range(3):
            self.assertHit(run('022'))
        self.assertMiss('umask changed', run('027'))
        self.assertEqual(self.read('packages/a/mask').strip(), '0027')

    def test_what_a_task_before_it_has_changed_is_noticed(self):
        """At once: also while the daemon reads no events by itself, which is so for
        100 ms after some."""
        self.package(where='packages/a', tasks={
            'prepare': {'command': 'sh prepare.sh', 'cache': False},
            'build': {'command': 'cat src/made', 'dependsOn': ['prepare']}})
        self.write('packages/a/prepare.sh', ': > src/beside\n'
                   'cmp -s ../../given src/made || cp ../../given src/made\n')
        for text in ('one', 'two'):
            self.write('given', f'{text}\n')
            for _ in range(4):
                build = self.assertOk(self.vt('run', 'a#build'))
                self.assertIn(f'\n{text}\n', build.out, build)
            self.assertIn('1/1 cache hit', build.out)

    def test_another_value_of_what_only_a_tool_asks_for_is_another_lookup(self):
        self.package(where='packages/a', tasks={
            'build': f'sh -c "{self.vt_program} report get-env MODE"'})

        def run(mode):
            return self.assertOk(self.vt('run', 'a#build', env={'MODE': mode}))
        run('one')
        for _ in range(3):
            self.assertHit(run('one'))
        self.assertIn('two', self.assertMiss("env 'MODE' changed", run('two')).out)
        self.assertIn('one', self.assertHit(run('one')).out)

    def test_what_is_answered_from_memory_is_in_use(self):
        """What was used last is the last to go; that counts in seconds."""
        for name in ('c', 'd'):
            self.package(where=f'packages/{name}', tasks={'work': f'echo {name} > out'})

        def run(name):
            return self.assertOk(self.vt('run', f'{name}#work'))

        def next_second():
            now = int(time.time())
            self.wait_until(lambda: int(time.time()) > now, 'the next second')
        run('c')
        self.settle(run=lambda: run('c'))
        next_second()
        run('d')
        next_second()
        before = self.known_runs()
        run('c')
        self.assertEqual(self.known_runs(), before + 1)
        status = json.loads(self.assertOk(self.vt('cache', 'status', '--json')).out)
        pruned = self.assertOk(self.vt('cache', 'prune', '--max-size', str(status['bytes'] - 1)))
        self.assertIn('removed 1 result', pruned.out)
        self.assertHit(run('c'))
        self.assertNotIn('cache hit,', run('d').out)

    def test_a_forced_run_replaces_what_was_known(self):
        """Of a task that says something else each time, and makes nothing."""
        self.package(where='packages/a', tasks={
            'build': 'head -c 8 /dev/urandom | od -An -tx1'})
        self.package(where='packages/b', tasks={'build': 'echo b'})
        self.build()
        self.settle()
        forced = self.build('--force')
        for env in ({'VT_VERIFY': 'stat'}, {}):
            said = [line for line in forced.out.splitlines() if ' ' in line[:1]]
            self.assertTrue(said, forced)
            self.assertIn(said[0], self.build(env=env).out)

    def test_a_result_at_the_same_place_supersedes_what_was_known(self):
        """Or the next miss would be explained by the wrong one."""
        for name in 'ab':
            self.package(where=f'packages/{name}', tasks={'build': {
                'command': 'sh -c :', 'cache': {'env': ['FLAVOUR']}}})
        self.build()
        self.build(env={'FLAVOUR': 'vanilla'})
        self.settle()
        self.build(env={'FLAVOUR': 'vanilla', 'VT_VERIFY': 'stat'})
        self.assertNotKnown()

    def test_a_known_run_is_in_the_history_like_any_other(self):
        self.build()
        self.settle()

        def runs():
            return json.loads(self.assertOk(
                self.vt('explain', '--list', '--json')).out)['runs']
        before, rate = runs(), self.hits()
        self.settle()
        after = runs()
        self.assertEqual(after[0]['id'], before[0]['id'] + 1)
        self.assertGreaterEqual(after[0]['startedAt'], before[0]['startedAt'])
        self.assertEqual(self.hits(), rate + 2)
        details = self.vt('run', '--last-details')
        self.assertIn('b#build', details.out)
        diff = self.assertOk(self.vt('explain', '--diff', str(before[0]['id']),
                                     str(after[0]['id'])))
        self.assertEqual(diff.out.count('the same'), 2, diff)

    def hits(self):
        return json.loads(self.assertOk(
            self.vt('cache', 'status', '--json')).out)['runs']['hits']

    def test_last_details_are_those_of_the_last_run(self):
        self.build()
        self.settle()
        self.assertOk(self.vt('run', 'a#build'))
        self.assertNotIn('b#build', self.vt('run', '--last-details').out)
        self.build()
        self.assertIn('b#build', self.vt('run', '--last-details').out)

    def test_a_program_that_appears_before_another_is_found(self):
        """Also if it is not all that has changed."""
        self.package(where='packages/a', tasks={'build': 'tool'})
        own = 'packages/a/node_modules/.bin/tool'
        for place in ('node_modules/.bin/tool', own):
            self.write(place, f'#!/bin/sh\ncat src/x\necho {place}\n', mode=0o755)
        (self.workspace / own).rename(self.tmp / 'tool')
        self.assertIn('\nnode_modules', self.build().out)
        self.settle()
        self.write('packages/b/src/x', 'changed\n')
        (self.tmp / 'tool').rename(self.workspace / own)
        self.assertIn(f'\n{own}', self.build().out)
        self.settle()
        (self.workspace / own).unlink()
        self.assertIn('\nnode_modules', self.build().out)

    def test_packages_are_of_one_known_workspace(self):
        """From each directory, and each notices what changes anywhere."""
        for name in 'ab':
            self.assertOk(self.vt('run', 'build', cwd=self.workspace / 'packages' / name))
        self.settle()
        for name in 'ab':
            where = self.workspace / 'packages' / name
            hit = self.assertOk(self.vt('run', 'build', cwd=where))
            self.assertNotIn('cache miss', hit.out)
            self.write('packages/c/package.json', {'name': 'c'})
            self.write('packages/c/vite-task.json', {'tasks': {'only': 'echo c'}})
            self.assertOk(self.vt('run', 'c#only', cwd=where))
            shutil.rmtree(self.workspace / 'packages/c')
            self.assertCode(1, self.vt('run', 'c#only', cwd=where))
        # A workspace that appears on the way.
        self.write('packages/b/pnpm-workspace.yaml', 'packages: []\n')
        alone = self.vt('run', 'build', cwd=self.workspace / 'packages/b')
        self.assertNotIn('a#build', alone.out)

    def test_uncached_tasks_always_run(self):
        self.package(where='packages/a', tasks={'build': {
            'command': 'echo ran >> ../../ran', 'cache': False}})
        for count in range(1, 5):
            self.build()
            self.assertEqual(self.read('ran').count('ran'), count)

    def test_another_name_of_a_source_is_seen_through(self):
        source = self.workspace / 'packages/a/src/x'
        self.build()
        self.settle()
        os.link(source, self.workspace / 'packages/a/src/y')
        self.assertNotKnown()
        self.settle()
        # Written by a name in a directory that nobody watches.
        os.link(source, self.tmp / 'outside')
        source.write_text('linked\n')
        self.build()
        self.settle()
        (self.tmp / 'outside').write_text('through\n')
        self.assertNotKnown()
        self.assertIn('through', self.read('packages/b/dist/out'))

    @requires('root')
    def test_a_mount_over_a_source_directory_is_noticed(self):
        source = self.workspace / 'packages/a/src'
        self.build()
        self.settle()
        if subprocess.run(['mount', '-t', 'tmpfs', 'none', source],
                          check=False).returncode:
            self.skipTest('REQUIRES(mount): cannot mount')
        try:
            self.write('packages/a/src/mounted', 'mounted\n')
            self.assertNotKnown()
            self.assertIn('mounted', self.read('packages/b/dist/out'))
        finally:
            subprocess.run(['umount', source], check=True)
        self.assertNotKnown()
        self.assertNotIn('mounted', self.read('packages/b/dist/out'))
