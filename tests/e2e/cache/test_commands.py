# SPDX-License-Identifier: Apache-2.0
"""vt cache, and what the daemon removes by itself."""
import json
import shutil

import json_schema
from vtask_e2e import ROOT, VtTest


class CacheTest(VtTest):
    """Two packages of two tasks, and words for what is asked."""

    def setUp(self):
        super().setUp()
        self.write('package.json', {'name': 'root', 'workspaces': ['packages/*']})
        for name in ('a', 'b'):
            self.package({'build': 'node ../../build.cjs', 'test': 'cat in.txt'},
                         where=f'packages/{name}')
            self.write(f'packages/{name}/in.txt', name)
        self.write('build.cjs', '''
const fs = require('fs')
fs.writeFileSync('out.bin', fs.readFileSync('in.txt', 'utf8').repeat(5000))
''')
        self.store = self.tmp / 'c/vtask/v1'

    def build(self, task, text=None):
        package = task.split('#')[0]
        if text is not None:
            self.write(f'packages/{package}/in.txt', text)
        return self.assertOk(self.vt('run', task))

    def is_hit(self, task, text=None):
        package = task.split('#')[0]
        if text is not None:
            self.write(f'packages/{package}/in.txt', text)
        answer = self.document('explain', '--json', task)
        return answer['steps'][0]['cache'] == 'hit'

    def document(self, *args, code=0, **options):
        result = self.assertCode(code, self.vt(*args, **options))
        document = json.loads(result.out)
        schema = json.loads(
            (ROOT / f'docs/schema/{args[0]}.schema.json').read_text())
        self.assertEqual(json_schema.problems(document, schema), [])
        return document

    def blobs(self):
        return [p for p in (self.store / 'blobs').rglob('*') if p.is_file()]


class CommandsTest(CacheTest):

    def test_status_counts_in_text_and_json(self):
        empty = self.document('cache', 'status', '--json')
        self.assertEqual((empty['results'], empty['bytes']), (0, 0))
        self.assertIsNone(empty['oldestUse'])
        self.assertEqual(empty['limits'],
                         {'bytes': 10 << 30, 'ageSeconds': 30 * 86400})
        self.build('a#build')
        self.build('a#build')
        status = self.document('cache', 'status', '--json')
        self.assertEqual(status['results'], 1)
        self.assertEqual(status['resultsOfWorkspace'], 1)
        self.assertEqual(status['blobs'], len(self.blobs()))
        self.assertEqual(status['blobBytes'],
                         sum(p.stat().st_size for p in self.blobs()))
        self.assertEqual(status['runs']['lookups'], 2)
        self.assertEqual(status['runs']['hits'], 1)
        self.assertEqual(status['directory'], str(self.tmp / 'c/vtask'))
        text = self.assertOk(self.vt('cache', 'status')).out
        self.assertRegex(text, r'(?m)^results +1 \(1 of this workspace\)$')
        self.assertRegex(text, r'(?m)^hit rate +50% \(1 of 2 commands')
        # Elsewhere there is no workspace, but the same cache.
        elsewhere = self.document('cache', 'status', '--json', cwd=self.tmp)
        self.assertEqual(elsewhere['resultsOfWorkspace'], 0)
        self.assertEqual(elsewhere['results'], 1)

    def test_path_needs_no_daemon(self):
        result = self.assertOk(self.vt('cache', 'path', cwd=self.tmp))
        self.assertEqual(result.out, f'{self.tmp}/c/vtask\n')
        self.assertFalse(self.processes())
        result = self.vt('cache', 'path', cwd=self.tmp,
                         env={'VT_CACHE_DIR': '/somewhere/else'})
        self.assertEqual(result.out, '/somewhere/else\n')

    def test_clean_by_task_and_package(self):
        for task in ('a#build', 'a#test', 'b#build', 'b#test'):
            self.build(task)
        self.assertEqual(self.assertOk(
            self.vt('cache', 'clean', '--task', 'a#build')).text, '')
        self.assertFalse(self.is_hit('a#build'))
        self.assertTrue(self.is_hit('a#test'))
        self.assertOk(self.vt('cache', 'clean', '--task=test', '--package',
                              'packages/b'))
        self.assertFalse(self.is_hit('b#test'))
        self.assertTrue(self.is_hit('b#build'))
        self.assertOk(self.vt('cache', 'clean', '--task', 'test'))
        self.assertFalse(self.is_hit('a#test'))
        self.assertTrue(self.is_hit('b#build'))
        self.assertIn("did you mean", self.assertCode(
            1, self.vt('cache', 'clean', '--package', 'aa')).err)

    def test_clean_leaves_other_workspaces_and_all_does_not(self):
        self.build('a#build')
        other = self.tmp / 'other'
        shutil.copytree(self.workspace, other)
        (other / 'build.cjs').write_text('require("fs").writeFileSync("x", "y")')
        package = other / 'packages/a/vite-task.json'
        package.write_text(package.read_text().replace('build.cjs', 'build.cjs more'))
        self.assertOk(self.vt('run', 'a#build', cwd=other))
        self.assertOk(self.vt('cache', 'clean'))
        self.assertFirst(self.vt('run', 'a#build'))
        self.assertHit(self.vt('run', 'a#build', cwd=other))
        outside = self.assertCode(1, self.vt('cache', 'clean', cwd=self.tmp))
        self.assertIn('--all', outside.err)
        self.assertOk(self.vt('cache', 'clean', '--all', cwd=self.tmp))
        self.assertFirst(self.vt('run', 'a#build', cwd=other))
        self.assertEqual(self.document('cache', 'status', '--json')['results'], 1)

    def test_clean_forgets_what_another_clone_made_of_the_same(self):
        self.build('a#build')
        other = self.tmp / 'other'
        shutil.copytree(self.workspace, other)
        (other / 'packages/a/in.txt').write_text('other')
        self.assertOk(self.vt('run', 'a#build', cwd=other))
        self.assertOk(self.vt('cache', 'clean'))
        self.assertFalse(self.is_hit('a#build', 'other'))

    def test_prune_applies_limits_now(self):
        # Which goes first counts in seconds: see the unit tests.
        for text in ('one', 'two', 'three'):
            self.build('a#build', text)
        self.build('a#build', 'one')  # a hit
        report = self.document('cache', 'prune', '--max-size', '1500', '--json')
        self.assertGreater(report['resultsRemoved'], 0)
        self.assertLessEqual(report['bytes'], 1500)
        self.assertEqual(len(self.blobs()), report['results'])
        self.assertEqual(sum(self.is_hit('a#build', text)
                             for text in ('one', 'two', 'three')), report['results'])
        text = self.assertOk(self.vt('cache', 'prune', '--max-age', '0')).out
        self.assertRegex(text, r'removed \d results? and \d files?, .*; 0 results left')
        self.assertEqual(self.blobs(), [])
        self.assertIn('nothing to remove', self.vt('cache', 'prune').out)
        # Runs are part of what is old.
        self.assertIn('no runs', self.vt('explain', '--list').out)

    def test_the_daemon_keeps_the_limit_by_itself(self):
        config = self.tmp / 'e/vtask'
        config.mkdir(parents=True)
        (config / 'config.json').write_text('{"cacheMaxSize": "3KiB"}')
        for i in range(12):
            self.build('a#build', f'text {i} ')
        self.wait_until(
            lambda: self.document('cache', 'status', '--json')['bytes'] <= 3072,
            'the cache within its limit')
        self.assertGreater(len(self.blobs()), 0)
        self.build('a#build', 'text 12 ')

    def test_verify_finds_a_flipped_bit_and_the_task_runs_again(self):
        self.build('a#build')
        self.assertIn('all good', self.assertOk(self.vt('cache', 'verify')).out)
        blob = self.blobs()[0]
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 4
        blob.write_bytes(data)
        report = self.document('cache', 'verify', '--json', code=1)
        self.assertEqual((report['damaged'], report['missing']), (1, 1))
        self.assertEqual(len(list((self.store / 'quarantine').iterdir())), 1)
        (self.workspace / 'packages/a/out.bin').unlink()
        self.assertRan(self.build('a#build'))
        self.assertEqual(self.read('packages/a/out.bin'), 'a' * 5000)
        self.assertHit(self.build('a#build'))
        self.assertIn('all good', self.assertOk(self.vt('cache', 'verify')).out)

    def test_a_damaged_database_is_no_error_of_a_run(self):
        self.build('a#build')
        self.assertOk(self.vt('daemon', 'stop'))
        for table in (self.store / 'db').glob('*.sst'):
            data = bytearray(table.read_bytes())
            for at in range(0, len(data), 97):
                data[at] ^= 255
            table.write_bytes(data)
        self.assertRan(self.build('a#build'))
        self.assertOk(self.vt('cache', 'clean', '--all'))
        self.assertFirst(self.build('a#build'))
        self.assertHit(self.build('a#build'))

    def test_usage_errors(self):
        for args in (['verfy'], ['clean', '--max-size', '1'], ['prune', '--max-size'],
                     ['prune', '--max-size', 'many'], ['status', 'x'],
                     ['clean', '--all', '--task', 'x']):
            result = self.assertCode(2, self.vt('cache', *args))
            self.assertIn('Usage: vt cache', result.err)
        self.assertIn('did you mean `verify`', self.vt('cache', 'verfy').err)
        self.assertIn('--max-size', self.assertOk(self.vt('cache', '--help')).out)


class ExplainTest(CacheTest):

    def explain(self, *args, **options):
        return self.document('explain', '--json', *args, **options)

    def step(self, *args, **options):
        return self.explain(*args, **options)['steps'][0]

    def test_a_hit_a_miss_and_a_first_run_without_running(self):
        self.assertTrue(self.step('a#test')['firstRun'])
        self.build('a#test')
        step = self.step('a#test')
        self.assertEqual((step['cache'], step['differences']), ('hit', []))
        self.write('packages/a/in.txt', 'new')
        step = self.step('a#test')
        self.assertEqual(step['cache'], 'miss')
        one, = [d for d in step['differences'] if d['path'].endswith('in.txt')]
        self.assertEqual(one['change'], 'changed')
        self.assertNotEqual(one['oldDigest'], one['newDigest'])
        self.assertEqual(one['seen'], 'content')
        text = self.assertOk(self.vt('explain', '-v', 'a#test')).out
        self.assertRegex(
            text, r"would run\n      'packages/a/in.txt' modified \(\w{12} → \w{12}\)")
        self.assertIn(one['newDigest'][:12], text)
        self.build('a#test')
        self.assertIn('would hit', self.vt('explain', 'a#test').out)

    def test_every_difference_is_listed(self):
        self.package({'list': {'command': 'node look.cjs', 'cache': {'env': ['MODE']}}},
                     where='packages/a')
        self.write('packages/a/look.cjs', '''
const fs = require('fs')
fs.readFileSync('in.txt'); fs.readdirSync('src'); fs.existsSync('flag')
try { fs.readFileSync('gone.txt') } catch {}
''')
        self.write('packages/a/src/x', '')
        self.write('packages/a/gone.txt', 'here')
        env = {'MODE': 'one'}
        self.assertOk(self.vt('run', 'a#list', env=env))
        self.write('packages/a/in.txt', 'changed')
        self.write('packages/a/src/y', '')
        (self.workspace / 'packages/a/src/x').unlink()
        (self.workspace / 'packages/a/gone.txt').unlink()
        self.write('packages/a/flag', '')
        found = {(d['path'].split('packages/a/')[1], d['change'], d['seen'])
                 for d in self.step('a#list', env=env)['differences']
                 if d['kind'] == 'file'}
        self.assertLessEqual({('in.txt', 'changed', 'content'),
                              ('src/y', 'added', 'listing'),
                              ('src/x', 'removed', 'listing'),
                              ('gone.txt', 'removed', 'content'),
                              ('flag', 'added', 'existence')}, found)
        text = self.assertOk(self.vt('explain', '-vv', 'a#list', env=env)).out
        self.assertIn("      'flag' added in 'packages/a'\n", text)
        self.assertIn("      unchanged: 'packages/a/look.cjs'\n", text)
        self.assertIn("      unchanged: env 'MODE'\n", text)
        self.assertIn("      unchanged: program '", text)
        other = self.step('a#list', env={'MODE': 'two'})
        self.assertTrue(other['partial'])
        self.assertEqual([(d['kind'], d['name']) for d in other['differences']],
                         [('env', 'MODE')])
        self.assertNotIn('two', json.dumps(other), 'values are never told')

    def test_explaining_is_no_use_of_a_result(self):
        self.build('a#test', 'one')
        self.build('a#test', 'two')
        for _ in range(3):
            self.assertTrue(self.is_hit('a#test', 'one'))
        # The nearest earlier run is still the one that ran.
        self.write('packages/a/in.txt', 'three')
        before = self.step('a#test')['differences'][0]['oldDigest']
        self.build('a#test', 'one')
        self.write('packages/a/in.txt', 'three')
        self.assertNotEqual(self.step('a#test')['differences'][0]['oldDigest'], before)

    def test_past_runs_have_numbers_and_are_compared(self):
        self.build('a#test', 'one')
        self.build('a#test', 'two')
        self.build('a#test', 'two')
        self.assertCode(1, self.vt('run', '--continue', 'a#nope'))
        runs = self.explain('--list')['runs']
        self.assertEqual([r['id'] for r in runs], [3, 2, 1])
        self.assertEqual([r['hits'] for r in runs], [1, 0, 0])
        self.assertEqual(runs[0]['argv'][1:], ['run', 'a#test'])
        self.assertRegex(self.vt('explain', '--list').out, r'(?m)^ +2 .* vt run a#test$')
        self.assertRegex(self.vt('run', '--last-details').out, r'(?m)^Run: +3$')
        action, = self.explain('--diff', '1', '2')['actions']
        self.assertFalse(action['same'])
        self.assertEqual([d['path'] for d in action['differences']],
                         ['packages/a/in.txt'])
        self.assertTrue(self.explain('--diff', '2', 'last')['actions'][0]['same'])
        text = self.assertOk(self.vt('explain', '--diff', '1', '3')).out
        self.assertIn("a#test: cat in.txt\n      'packages/a/in.txt' modified", text)
        lost = self.assertCode(1, self.vt('explain', '--diff', '1', '77'))
        self.assertIn('no run 77', lost.err)

    def test_a_diff_tells_changed_commands_and_what_was_not_stored(self):
        self.build('a#test')
        self.package({'test': 'cat in.txt in.txt'}, where='packages/a')
        self.build('a#test')
        action, = self.explain('--diff', '1', '2')['actions']
        self.assertTrue(action['partial'])
        self.assertEqual(action['differences'],
                         [{'kind': 'args', 'from': ['in.txt'],
                           'to': ['in.txt', 'in.txt']}])
        (self.workspace / 'packages/a/in.txt').unlink()
        self.assertCode(1, self.vt('run', 'a#test'))
        action, = self.explain('--diff', '2', '3')['actions']
        self.assertIn('run 3 left nothing to compare', action['note'])
        self.assertOk(self.vt('cache', 'prune', '--max-size', '0'))

    def test_usage(self):
        for args in ([], ['--diff', '1'], ['--list', 'x'], ['--diff', 'a', 'b'],
                     ['--nope', 'x']):
            self.assertCode(2, self.vt('explain', *args))
        self.assertIn('--diff', self.assertOk(self.vt('explain', '--help')).out)
