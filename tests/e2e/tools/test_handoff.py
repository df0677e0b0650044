# SPDX-License-Identifier: Apache-2.0
"""What a task is handed (tool endpoint, cases 1 to 13 and 53)."""
import os
import stat

from tool_task import ToolTest

NAMES = ('VP_RUN', 'VP_RUN_IPC_NAME', 'VT_IPC', 'VP_RUN_NODE_CLIENT_PATH',
         'LD_PRELOAD')
SEE = f"""
const names = {list(NAMES)};
say(names.map(name => process.env[name] ?? null));
"""
BOGUS = {'VP_RUN': '9', 'VP_RUN_IPC_NAME': '/bogus', 'VT_IPC': '/bogus',
         'VP_RUN_NODE_CLIENT_PATH': '/bogus.node'}


class HandoffTest(ToolTest):

    def seen(self, result):
        return dict(zip(NAMES, self.said_once(result)))

    def assertReal(self, seen):
        self.assertEqual(seen['VP_RUN'], '1')
        self.assertTrue(seen['VP_RUN_IPC_NAME'].startswith('/'), seen)
        self.assertEqual(seen['VT_IPC'], seen['VP_RUN_IPC_NAME'])
        self.assertRegex(seen['VP_RUN_NODE_CLIENT_PATH'], r'^/.*\.node$')

    def assertNone(self, seen):
        self.assertEqual(seen['VP_RUN'], '1')
        for name in ('VP_RUN_IPC_NAME', 'VT_IPC', 'VP_RUN_NODE_CLIENT_PATH'):
            self.assertIsNone(seen[name], seen)

    def test_case_1_cached_task_is_handed_endpoint_and_addon(self):
        self.script(SEE)
        self.assertReal(self.seen(self.t()))

    def test_case_2_declared_task_is_handed_them_too_and_no_tracer(self):
        self.script(SEE, input=['t.mjs'], output=[])
        seen = self.seen(self.t())
        self.assertReal(seen)
        self.assertIsNone(seen['LD_PRELOAD'])

    def test_case_3_uncached_tasks_are_handed_nothing(self):
        self.script(SEE)
        self.assertNone(self.seen(self.t('--no-cache')))
        self.package({'t': {'command': 'node t.mjs', 'cache': False}},
                     scripts={'s': 'node t.mjs'})
        self.assertNone(self.seen(self.t()))
        self.assertNone(self.seen(self.t(name='s')))

    def test_case_4_cached_script_is_handed_them_and_shares_the_result(self):
        self.script(SEE)
        self.package({'t': 'node t.mjs'}, scripts={'s': 'node t.mjs'})
        self.assertReal(self.seen(self.t('--cache', name='s')))
        self.assertHit(self.t())

    def test_case_5_values_of_the_caller_never_reach_a_cached_task(self):
        self.script(SEE)
        self.assertReal(self.seen(self.t(**BOGUS)))

    def test_case_6_uncached_task_inherits_them(self):
        self.package({'t': {'command': 'node t.mjs', 'cache': False}})
        self.write('t.mjs', 'const say = v => console.log("SAID " + '
                   'JSON.stringify(v));' + SEE)
        seen = self.seen(self.t(**BOGUS))
        self.assertEqual({**seen, 'LD_PRELOAD': None},
                         {**BOGUS, 'VP_RUN': '1', 'LD_PRELOAD': None})

    def test_case_7_declared_name_counts_as_the_caller_has_it(self):
        self.script(SEE, env=['VP_RUN_IPC_NAME'])
        self.assertReal(self.seen(self.t(VP_RUN_IPC_NAME='/bogus')))
        self.assertHit(self.t(VP_RUN_IPC_NAME='/bogus'))
        second = self.t(VP_RUN_IPC_NAME='/bogus2')
        self.assertMiss("env 'VP_RUN_IPC_NAME' changed", second)
        self.assertReal(self.seen(second))

    def test_case_8_each_command_has_an_endpoint_of_its_own(self):
        self.write('t.mjs', 'const say = v => console.log("SAID " + '
                   'JSON.stringify(v));' + SEE)
        for command in ('node t.mjs a && node t.mjs b',
                        ['node t.mjs c', 'node t.mjs d']):
            self.package({'t': command})
            one, two = self.said(self.assertOk(self.t()))
            self.assertNotEqual(one[1], two[1])
            self.assertEqual(one[3], two[3])
        # A shell command is one process tree.
        self.package({'t': 'node t.mjs >&2 | node t.mjs'})
        both = self.t()
        self.assertOk(both)
        names = {line.split('"')[3] for line in both.text.splitlines()
                 if line.startswith('SAID ')}
        self.assertEqual(len(names), 1, both)

    def test_case_9_uncached_inner_task_reports_to_the_outer_endpoint(self):
        self.script(SEE + "say(childProcess.execFileSync(process.argv[2], "
                    "['run', 'inner']).toString());",
                    command=f'node t.mjs {self.vt_program}')
        self.package({'t': f'node t.mjs {self.vt_program}',
                      'inner': {'command': 'node inner.mjs', 'cache': False}})
        self.write('inner.mjs', 'console.log("INNER", process.env.VP_RUN_IPC_NAME)')
        outer, inner = self.said(self.assertOk(self.t()))
        self.assertIn(f'INNER {outer[1]}\n', inner)

    def test_case_10_cached_inner_task_has_an_endpoint_of_its_own(self):
        self.script(SEE + "say(childProcess.execFileSync(process.argv[2], "
                    "['run', 'inner']).toString());")
        self.package({'t': f'node t.mjs {self.vt_program}', 'inner': 'node inner.mjs'})
        self.write('inner.mjs', 'console.log("INNER", process.env.VP_RUN_IPC_NAME)')
        outer, inner = self.said(self.assertOk(self.t()))
        self.assertRegex(inner, r'INNER /\S+\n')
        self.assertNotIn(f'INNER {outer[1]}\n', inner)
        self.assertHit(self.t())

    def test_case_11_endpoint_is_private_and_gone_after_the_run(self):
        # Ours lie in the runtime directory whatever TMPDIR says (decisions H19).
        self.script("""
          const path = process.env.VP_RUN_IPC_NAME;
          const mode = path => (fs.statSync(path).mode & 0o777).toString(8);
          say([path, mode(path), mode(path.replace(/\\/[^/]*$/, '')), addonPath]);
        """)
        path, mode, directory_mode, addon = self.said_once(
            self.t(TMPDIR=str(self.tmp)))
        self.assertEqual((mode, directory_mode), ('600', '700'))
        self.assertTrue(path.startswith(str(self.tmp / 'r') + '/'), path)
        self.assertFalse(os.path.lexists(path))
        self.assertEqual(stat.S_IMODE(os.stat(addon).st_mode) & 0o022, 0)

    def test_case_12_workers_and_forks_are_served_at_once(self):
        self.write('part.mjs', (self.workspace / 'node_modules').as_posix() and """
          import fs from 'node:fs';
          import { getEnv, ignoreInput } from '@voidzero-dev/vite-task-client';
          import { isMainThread, workerData } from 'node:worker_threads';
          const name = isMainThread ? process.argv[2] : workerData;
          ignoreInput(name);
          fs.readFileSync(name);
          console.log(`PART ${name} ${getEnv('PROBE')}`);
        """)
        self.script("""
          const parts = [];
          for (const name of ['w1', 'w2']) {
            const worker = new Worker('./part.mjs', { workerData: name });
            parts.push(new Promise(done => worker.on('exit', done)));
          }
          for (const name of ['f1', 'f2']) {
            const fork = childProcess.fork('./part.mjs', [name]);
            parts.push(new Promise(done => fork.on('exit', done)));
          }
          ignoreInput('main');
          read('main');
          console.log(`PART main ${getEnv('PROBE')}`);
          await Promise.all(parts);
        """)
        names = ['main', 'w1', 'w2', 'f1', 'f2']
        for name in names:
            self.write(name, '1')
        first = self.assertOk(self.t(PROBE='yes'))
        for name in names:
            self.assertIn(f'PART {name} yes\n', first.out)
        for name in names:
            self.write(name, '2')
            self.assertHit(self.t(PROBE='yes'))
        self.assertMiss("env 'PROBE' changed", self.t(PROBE='no'))

    def test_case_13_empty_environment_is_no_error(self):
        self.write('part.mjs', """
          import { getEnv, getEnvs, ignoreInput }
            from '@voidzero-dev/vite-task-client';
          ignoreInput('x');
          console.log(`PART ${getEnv('PROBE')} ${JSON.stringify(getEnvs('P*'))}`);
        """)
        self.script("""
          const worker = new Worker('./part.mjs', { env: {} });
          await new Promise(done => worker.on('exit', done));
          process.stdout.write(childProcess.execFileSync(
            process.execPath, ['part.mjs'], { env: {} }));
        """)
        first = self.assertOk(self.t(PROBE='yes'))
        self.assertEqual(first.out.count('PART undefined {}\n'), 2, first)

    def test_case_53_endpoint_that_cannot_be_made_fails_the_task(self):
        self.script(SEE)
        self.assertOk(self.t())
        tools, = (self.tmp / 'r').rglob('*.tools')
        tools.rmdir()
        tools.write_text('in the way')
        result = self.t('--force')
        self.assertNotEqual(result.code, 0)
        self.assertIn('failed to set up task communication', result.text)
        self.assertNotIn('SAID', result.out)
        tools.unlink()
        self.assertOk(self.t('--force'))
