# SPDX-License-Identifier: Apache-2.0
"""The user's settings for the machine, $XDG_CONFIG_HOME/vtask/config.json, and
the variables beside them (docs/CONFIGURATION.md)."""
import json
import pathlib
import re
import shutil

import json_schema
from vtask_e2e import ROOT, VtTest, requires

SCHEMA = json.loads((ROOT / 'docs/schema/config.schema.json').read_text())

GOOD = [
    {}, {'$schema': 'x'}, {'cacheMaxSize': '10GiB'}, {'cacheMaxSize': '1.5 gb'},
    {'cacheMaxSize': 4096}, {'cacheMaxSize': 'unlimited'}, {'cacheMaxAge': '30d'},
    {'cacheMaxAge': 'never'}, {'idleExit': '90s'}, {'idleExit': 90},
    {'idleExit': '0.5h'}, {'idleExit': '10 min'}, {'drainTimeout': 0},
    {'drainTimeout': '0s'}, {'drainTimeout': 'never'}, {'drainTimeout': '1m'},
    {'toolDrainTimeout': 0}, {'toolDrainTimeout': '5s'}, {'concurrency': 1}, {'concurrency': '8'}, {'concurrency': '50%'},
    {'machineConcurrency': 1}, {'jobserver': True}, {'machineConcurrency': '50%'},
    {'strictTracking': True}, {'toolchain': 'none'}, {'toolchain': 'executed'},
]
WRONG = [
    [], {'zzz': 1}, {'$schema': 1}, {'cacheDir': 'x'}, {'cacheDir': ''}, {'cacheDir': 1},
    {'cacheMaxSize': 0}, {'cacheMaxSize': '10'}, {'cacheMaxSize': 'GB'},
    {'cacheMaxSize': '1.2.3GB'}, {'cacheMaxSize': True}, {'cacheMaxAge': 0},
    {'cacheMaxAge': '0d'}, {'cacheMaxAge': '30 days'}, {'cacheMaxAge': None},
    {'idleExit': 0}, {'idleExit': '0.0s'}, {'idleExit': -1}, {'idleExit': 'unlimited'},
    {'drainTimeout': '10'}, {'toolDrainTimeout': '2'}, {'drainTimeout': False}, {'concurrency': 0}, {'machineConcurrency': 0}, {'jobserver': 1},
    {'concurrency': '0'}, {'concurrency': 1.5}, {'concurrency': 'many'},
    {'concurrency': []}, {'strictTracking': 'yes'}, {'toolchain': 'all'},
    {'toolchain': False},
]


class SettingsTest(VtTest):

    def setUp(self):
        super().setUp()
        self.file = pathlib.Path(self.env['XDG_CONFIG_HOME'], 'vtask/config.json')
        self.file.parent.mkdir(parents=True)
        self.write('in.txt', 'hello\n')
        self.package({'hello': 'cat in.txt'})

    def set(self, settings):
        self.file.write_text(
            settings if isinstance(settings, str) else json.dumps(settings))

    def hello(self, **options):
        return self.vt('run', 'hello', **options)

    def status(self, key):
        """(value, origin) of a setting, as `vt daemon status` shows it."""
        text = self.assertOk(self.vt('daemon', 'status')).out
        line = re.search(rf'^  {key}  +(\S+)  +(.*)$', text, re.M)
        self.assertIsNotNone(line, text)
        return line[1], line[2]

    def test_what_the_schema_accepts_the_reader_accepts_and_nothing_else(self):
        self.assertOk(self.hello())
        for settings in GOOD:
            with self.subTest(settings=settings):
                self.assertEqual(json_schema.problems(settings, SCHEMA), [])
                self.set(settings)
                self.assertOk(self.hello())
        for settings in WRONG:
            with self.subTest(settings=settings):
                self.assertNotEqual(json_schema.problems(settings, SCHEMA), [])
                self.set(settings)
                self.assertCode(2, self.hello())

    def test_the_schema_has_the_keys_and_defaults_of_the_reader(self):
        self.set({'zzz': 1})
        error = self.assertCode(2, self.hello()).err
        allowed = error.partition('expected one of ')[2]
        self.assertEqual(set(re.findall(r'`(\w+)`', allowed)),
                         set(SCHEMA['properties']) - {'$schema'})
        self.set({})
        for key, schema in SCHEMA['properties'].items():
            if 'default' in schema:
                shown = json.dumps(schema['default']).strip('"')
                self.assertEqual(self.status(key), (shown, 'default'))

    def test_a_fault_names_its_place_and_starts_nothing(self):
        self.set('{\n  // tasks at once\n  "concurency": 3\n}')
        result = self.assertCode(2, self.hello())
        self.assertIn(f'error: {self.file}:3:3: unknown key `concurency`', result.err)
        self.assertIn('did you mean `concurrency`?', result.err)
        self.assertEqual(result.out, '')
        status = self.assertOk(self.vt('daemon', 'status')).out
        self.assertIn(f'{self.file}:3:3: unknown key', status.partition('health')[2])
        self.set({})
        self.assertOk(self.hello())

    def test_status_shows_what_applies_and_from_where(self):
        self.set('{\n"concurrency": "100%",\n"idleExit": "2h"}')
        self.assertOk(self.vt('daemon', 'start', env={'VT_IDLE_EXIT': '60'}))
        self.assertEqual(self.status('concurrency'), ('100%', 'line 2'))
        self.assertEqual(self.status('idleExit'), ('1min', 'VT_IDLE_EXIT'))
        self.assertEqual(self.status('cacheMaxAge'), ('30d', 'default'))
        self.assertEqual(self.status('cacheDir'),
                         (f"{self.env['XDG_CACHE_HOME']}/vtask", 'default'))

    @requires('listener')
    def test_toolchain_none_does_not_look_at_programs_outside(self):
        tool = self.tmp / 'bin/tool'
        tool.parent.mkdir()
        shutil.copy('/bin/cat', tool)
        self.env['PATH'] = f'{tool.parent}:{self.env["PATH"]}'
        self.package({'hello': 'tool in.txt'})
        self.set({'toolchain': 'none'})
        self.assertFirst(self.hello())
        with tool.open('ab') as file:
            file.write(b'\0')
        self.assertHit(self.hello())
        # The running daemon takes the change of the file.
        self.set({'toolchain': 'executed'})
        self.assertRan(self.hello())
        self.assertHit(self.hello())
        with tool.open('ab') as file:
            file.write(b'\0')
        self.assertRan(self.hello())

    def test_results_of_strict_tracking_are_others(self):
        self.assertFirst(self.hello())
        self.set({'strictTracking': True})
        self.assertRan(self.hello())
        self.assertHit(self.hello())

    def test_concurrency_is_overruled_by_variable_and_flag(self):
        self.write('limit.cjs', '''
            const fs = require('fs');
            const name = process.argv[2];
            fs.writeFileSync(`${name}.on`, '');
            const both = () => fs.existsSync('a.on') && fs.existsSync('b.on');
            const end = Date.now() + Number(process.argv[3]);
            const look = () => both() ? console.log('two at once')
              : Date.now() < end ? setTimeout(look, 5) : fs.rmSync(`${name}.on`);
            look();''')
        task = {'cache': False}
        self.package({
            'a': {'command': 'node limit.cjs a 400', **task},
            'b': {'command': 'node limit.cjs b 400', **task},
            'all': {'command': 'true', 'dependsOn': ['a', 'b'], **task}})
        self.set({'concurrency': 1})
        self.assertNotIn('two at once', self.assertOk(self.vt('run', 'all')).out)
        self.package({
            'a': {'command': 'node limit.cjs a 20000', **task},
            'b': {'command': 'node limit.cjs b 20000', **task},
            'all': {'command': 'true', 'dependsOn': ['a', 'b'], **task}})
        for options in ({'env': {'VT_RUN_CONCURRENCY_LIMIT': '2'}}, {}):
            flags = () if options else ('--concurrency-limit', '2')
            for name in 'ab':
                (self.workspace / f'{name}.on').unlink(missing_ok=True)
            self.assertIn('two at once', self.assertOk(
                self.vt('run', *flags, 'all', **options)).out)

    def test_the_cache_is_where_the_file_says(self):
        self.set({'cacheDir': str(self.tmp / 'big')})
        self.assertOk(self.hello())
        self.assertTrue((self.tmp / 'big/v1/daemon.lock').exists())
        self.assertFalse(pathlib.Path(self.env['XDG_CACHE_HOME']).exists())
        self.assertEqual(self.status('cacheDir'), (str(self.tmp / 'big'), 'line 1'))
        self.assertHit(self.hello())
        # The variable wins, and is another daemon.
        other = {'VT_CACHE_DIR': str(self.tmp / 'other')}
        self.assertFirst(self.hello(env=other))
        self.assertEqual(len(self.daemons()), 2)
        self.assertOk(self.vt('daemon', 'stop', env=other))
        # A change is followed at once, by another daemon, too.
        self.assertOk(self.vt('daemon', 'stop'))
        self.set({'cacheDir': 'relative'})
        result = self.assertCode(2, self.hello())
        self.assertIn(f'{self.file}:1:14: `cacheDir`: found string "relative", '
                      'expected an absolute path', result.err)
        self.set({})

    def test_an_idle_daemon_leaves_after_idle_exit(self):
        self.set({'idleExit': 1})
        self.assertOk(self.hello())
        self.wait_gone(self.processes)

    def test_a_leaving_daemon_cancels_its_runs_after_drain_timeout(self):
        self.set({'drainTimeout': 0})
        self.package({'stay': "sh -c 'echo here; exec sleep 1000'"})
        run = self.start_vt('run', 'stay')
        run.wait_for('here')
        self.assertOk(self.vt('daemon', 'stop'))
        self.assertNotEqual(run.finish(), 0)
        self.wait_gone(self.processes)

    # --- variables ------------------------------------------------------------

    def test_without_a_daemon_nothing_outlives_the_command(self):
        off = {'VT_DAEMON': 'off'}
        result = self.assertFirst(self.hello(env=off))
        self.assertIn('hello\n', result.out)
        self.assertEqual(result.err, '')
        self.assertEqual(self.daemons(), {})
        self.assertEqual(self.sockets(), [])
        self.assertHit(self.hello(env=off))
        self.assertEqual(self.daemons(), {})
        self.package({'fail': 'false', 'nested': 'sh -c "vt run fail"'})
        vt = {**off, 'PATH': f'{self.vt_program.parent}:{self.env["PATH"]}'}
        for task in ('fail', 'nested'):
            self.assertCode(1, self.vt('run', task, env=vt))
            self.assertEqual(self.daemons(), {})

    def test_without_a_daemon_one_that_runs_is_used_and_stays(self):
        self.assertFirst(self.hello())
        before = list(self.daemons())
        self.assertHit(self.hello(env={'VT_DAEMON': 'off'}))
        self.assertEqual(list(self.daemons()), before)

    def test_without_a_daemon_none_is_started_on_purpose_or_by_a_tab(self):
        off = {'VT_DAEMON': 'off'}
        self.assertIn('VT_DAEMON=off', self.assertCode(
            2, self.vt('daemon', 'start', env=off)).err)
        self.assertOk(self.vt('__complete', 'run', 'h', env=off))
        self.assertEqual(self.daemons(), {})

    def test_variables_with_unknown_values_are_errors(self):
        result = self.assertCode(2, self.hello(env={'VT_DAEMON': 'of'}))
        self.assertIn('VT_DAEMON: found `of`, expected `on` or `off`', result.err)
        result = self.assertCode(2, self.hello(env={'VT_VERIFY': 'stats'}))
        self.assertIn('VT_VERIFY: found `stats`, expected `stat`', result.err)
        self.assertFirst(self.hello(env={'VT_VERIFY': 'stat', 'VT_DAEMON': 'on'}))
        self.assertHit(self.hello(env={'VT_VERIFY': 'stat', 'VT_DAEMON': ''}))
