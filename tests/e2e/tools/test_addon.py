# SPDX-License-Identifier: Apache-2.0
"""The addon for Node as JavaScript sees it, directly and through the unmodified
npm wrapper (tool endpoint, cases 14 to 28)."""
import os
import socket
import threading

from tool_task import Raw, ToolTest, field
from vtask_e2e import NODE_BIN, timeout

STRING_TEXT = 'Failed to convert JavaScript value `{}` into rust type `String`'
BOOLEAN_TEXT = ('Failed to convert napi value into rust type `bool` on '
                'GetEnvOptions.tracked')
QUERY_TEXT = 'Value is none of these types `String`, `GetEnvsPrefixQuery`, '


class AddonTest(ToolTest):

    def test_case_14_shape(self):
        self.script("""
          const { load, RunnerClient } = addon();
          const one = load(), two = load({ version: 99 });
          const methods = ['ignoreInput', 'ignoreOutput', 'disableCache',
                           'getEnv', 'getEnvs'];
          say(Object.keys(addon()).includes('load'));
          say(one !== two);
          say(methods.map(name => [Object.hasOwn(one, name), one[name].length]));
          say(thrown(() => (0, one.getEnv)('PATH')));
          say(thrown(() => one.getEnv.call({}, 'PATH')));
          say(thrown(() => one.getEnv.call(load, 'PATH')));
          say(thrown(() => new one.constructor()));
        """)
        said = self.said(self.assertOk(self.t()))
        self.assertEqual(said[:3], [True, True, [[False, 0]] * 5])
        self.assertEqual(said[3:6], [['TypeError', 'Illegal invocation']] * 3)
        self.assertEqual(said[6][1], 'Class contains no `constructor`, can not new it!')

    def test_case_15_only_primitive_strings_are_paths_and_names(self):
        self.script("""
          const circle = {};
          circle.circle = circle;
          for (const value of [undefined, null, 5, true, {}, [], 10n,
                               Symbol('x'), function f() {}, circle,
                               Buffer.from('a'), new URL('file:///x'),
                               new String('x')]) {
            const errors = [ignoreInput, ignoreOutput, getEnv].map(
              call => thrown(() => call(value)));
            say(errors[0]);
            if (errors.some(e => String(e) !== String(errors[0])))
              throw errors;
          }
          say(thrown(() => ignoreInput('a', 5, {})));
        """)
        said = self.said(self.assertOk(self.t()))
        texts = ['Undefined', 'Null', 'Number 5 ', 'Boolean true ', 'Object {}',
                 'Object []']
        for error, text in zip(said, texts):
            self.assertEqual(error, ['StringExpected', STRING_TEXT.format(text)])
        self.assertEqual(len(said), 14)
        for error in said[:13]:
            self.assertEqual(error[0], 'StringExpected')
        self.assertEqual(said[13], 'returned')
        # A conversion error is the tool's own affair (case 20).
        self.assertHit(self.t())

    @timeout(90)
    def test_case_16_options_that_mean_tracked(self):
        self.script("""
          [undefined, null, true, 's', 5, [], {}, { tracked: undefined }].forEach(
            (options, i) => { getEnv(`T${i}`, options); getEnvs(`G${i}*`, options); });
          getEnv('U1', { tracked: false });
          getEnv('U2', Object.create({ tracked: false }));
          getEnvs({ prefix: 'U3' }, Object.create({ tracked: false }));
          getEnv('U4', { get tracked() { return false; } });
        """)
        self.assertStored()
        for name in ('U1', 'U2', 'U3', 'U4'):
            self.assertHit(self.t(**{name: 'x'}))
        for i in range(8):
            for name in (f'T{i}', f'G{i}x'):
                self.assertMiss(f"env '{name}' added", self.t(**{name: 'x'}))
                self.assertHit(self.t())

    def test_case_17_options_that_are_refused(self):
        self.script("""
          for (const tracked of [null, 0, 'x']) {
            say(thrown(() => getEnv('X', { tracked })));
            say(thrown(() => getEnvs('X*', { tracked })));
          }
          const mine = () => getEnv('X', { get tracked() { throw new RangeError('mine'); } });
          say(thrown(mine));
        """)
        said = self.said(self.assertOk(self.t()))
        self.assertEqual(said[:6], [['BooleanExpected', BOOLEAN_TEXT]] * 6)
        self.assertEqual(said[6], ['RangeError', 'mine'])

    def test_case_18_queries_that_are_refused(self):
        self.script("""
          for (const query of [undefined, null, 5, [], ['F*'], {}, { prefix: 5 },
                               { prefix: null }])
            say(thrown(() => getEnvs(query)));
          say(sorted(getEnvs({ prefix: 'FO', extra: 1 })));
        """)
        said = self.said(self.assertOk(self.t(FOO='1')))
        self.assertEqual(said[:8], [['InvalidArg', QUERY_TEXT]] * 8)
        self.assertEqual(said[8], [['FOO', '1']])

    def test_case_19_answer_is_a_plain_object(self):
        self.script("""
          const found = getEnvs('*_*');
          say([Object.getPrototypeOf(found) === Object.prototype,
               JSON.stringify(Object.getOwnPropertyDescriptor(found, 'A_B')),
               delete found.A_B, 'A_B' in found,
               Object.getOwnPropertyDescriptor(found, '__proto__')?.value]);
        """)
        self.assertEqual(self.said_once(self.t(A_B='1', **{'__proto__': 'p'})), [
            True, '{"value":"1","writable":true,"enumerable":true,"configurable":true}',
            True, False, 'p'])

    def test_case_21_wrapper_does_nothing_without_a_runner(self):
        self.script("""
          disableCache();
          for (const call of [ignoreInput, ignoreOutput]) call(undefined);
          say([getEnv(5) === undefined, getEnvs([])]);
        """)
        endpoint = {'VP_RUN_IPC_NAME': '/nowhere'}
        addon = str(self.find_addon())
        for env in ({}, {'VP_RUN_NODE_CLIENT_PATH': '/missing.node'},
                    {'VP_RUN_NODE_CLIENT_PATH': str(self.workspace / 'package.json')},
                    {'VP_RUN_NODE_CLIENT_PATH': addon},
                    {'VP_RUN_NODE_CLIENT_PATH': addon, **endpoint}):
            result = self.command(NODE_BIN / 'node', 't.mjs', env=env)
            self.assertEqual(self.said_once(result), [True, {}], env)

    def find_addon(self):
        return self.vt_program.parent.parent / 'lib/vtask/vt_client.node'

    def test_load_says_why_it_fails(self):
        self.write('load.cjs', """
          try { require(process.argv[2]).load(); console.log('loaded'); }
          catch (error) { console.log(`${error.code}: ${error.message}`); }
        """)
        gone = self.tmp / 'gone'
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(gone))
        self.write('file', '')
        prefix = 'GenericFailure: vp run client: '
        failed = prefix + 'failed to connect to runner IPC: '
        for name, text in (
                (None, prefix + 'runner IPC env is not set; this module is only '
                                'usable inside a `vp run` task'),
                ('', failed + 'IPC server name is not absolute'),
                ('x/y', failed + 'IPC server name is not absolute'),
                ('/missing', failed + 'No such file or directory (os error 2)'),
                (f'{self.workspace}/file/x', failed + 'Not a directory (os error 20)'),
                (str(gone), failed + 'IPC server is gone')):
            result = self.command(NODE_BIN / 'node', 'load.cjs', self.find_addon(),
                                  env={'VP_RUN_IPC_NAME': name})
            self.assertEqual(result.out, text + '\n')
        gone.unlink()

    def load_at(self, play, script):
        """Runs `script`, where `client` is of an endpoint that
        is up to play(listener)."""
        self.write('load.cjs', 'const client = require(process.argv[2]).load();'
                   + script)
        name = str(self.tmp / 's')
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(name)
            listener.listen()
            server = threading.Thread(target=play, args=(listener,))
            server.start()
            result = self.command(NODE_BIN / 'node', 'load.cjs', self.find_addon(),
                                  env={'VP_RUN_IPC_NAME': name})
            server.join()
        os.unlink(name)
        return result.out

    def test_load_waits_for_no_answer(self):
        # Nobody takes the connection before the tool has gone on.
        os.mkfifo(self.workspace / 'loaded')
        frames = []

        def play(listener):
            (self.workspace / 'loaded').read_text()
            with Raw.accepted(listener) as raw:
                frames.extend([raw.reply(), raw.reply()])
                pair = field(1, b'FOO') + field(2, b'foo')
                raw.frame(field(1, 1) + field(
                    3, field(1, 1) + field(2, 1) + field(3, pair)))
                frames.extend([raw.reply(), raw.reply()])
        self.assertEqual(self.load_at(play, """
          client.ignoreInput('/x');
          require('node:fs').writeFileSync('loaded', '');
          console.log(client.getEnv('FOO'), client.getEnv('BAR'));
        """), 'foo undefined\n')
        self.assertEqual(frames[1:], [
            field(3, field(1, b'/x')),
            field(7, field(1, b'FOO') + field(2, 1)),
            field(7, field(1, b'BAR') + field(2, 1))])

    def test_refused_hello_fails_the_first_question(self):
        def play(listener):
            with Raw.accepted(listener) as raw:
                raw.reply()
                raw.frame(field(1, 1) + field(2, b'not today'))
        self.assertEqual(self.load_at(play, """
          for (const call of [() => client.getEnv('A'), () => client.getEnvs('A*')])
            try { call(); } catch (error) { console.log(error.code, error.message); }
          client.ignoreInput('/x');
        """), 'GenericFailure not today\nGenericFailure IPC server is gone\n')

    def test_case_22_names_are_looked_up_exactly(self):
        self.script("""
          say(['', 'FOO=1', 'FOO\\0', 'foo', 'FOO', 'EMPTY'].map(n => getEnv(n) ?? null));
          say(sorted(getEnvs({ prefix: 'we.rd' })));
        """)
        said = self.said(self.assertOk(
            self.t(FOO='1', EMPTY='', **{'we.rd-name': 'w'})))
        self.assertEqual(said, [[None, None, None, None, '1', ''],
                                [['we.rd-name', 'w']]])

    def test_case_23_values_that_are_not_utf8(self):
        # Case 75, too: such a value neither fails the run nor its storing (D7).
        self.script("""
          say([thrown(() => getEnv('BADV'))[1], thrown(() => getEnvs('BAD*'))[1],
               thrown(() => getEnvs({ prefix: 'BAD' }))[1], Object.keys(getEnvs('W*'))]);
        """)

        def run(value):
            return self.t(**{'BADV': os.fsdecode(value), 'W': '1',
                             os.fsdecode(b'W\xff'): '2'})
        text = 'env value for BADV is not valid UTF-8'
        self.assertEqual(self.said_once(run(b'\xff')), [text] * 3 + [['W']])
        self.assertHit(run(b'\xff'))
        self.assertMiss("env 'BADV' changed", run(b'\xfe'))
        self.assertHit(run(b'\xff'))

    def test_case_24_relative_path_without_a_working_directory(self):
        self.script("""
          const relative = addon().load();
          fs.mkdirSync('gone');
          process.chdir('gone');
          fs.rmdirSync('../gone');
          say(thrown(() => relative.ignoreInput('x')));
          relative.ignoreInput('/x');
          process.chdir('/');
        """)
        self.assertEqual(self.said_once(self.t()),
                         ['GenericFailure', 'No such file or directory (os error 2)'])
        self.assertHit(self.t())

    def test_case_25_terminated_workers_leave_their_reports(self):
        self.write('part.mjs', """
          import fs from 'node:fs';
          import { ignoreInput } from '@voidzero-dev/vite-task-client';
          import { parentPort, workerData } from 'node:worker_threads';
          ignoreInput(workerData);
          fs.readFileSync(workerData);
          parentPort.postMessage('done');
          setInterval(() => {}, 1000);
        """)
        self.script("""
          await Promise.all([...Array(8).keys()].map(async i => {
            const worker = new Worker('./part.mjs', { workerData: `in${i}` });
            await new Promise(done => worker.once('message', done));
            await worker.terminate();
          }));
          say('ended');
        """)
        for i in range(8):
            self.write(f'in{i}', '1')
        self.assertEqual(self.said_once(self.t()), 'ended')
        for i in range(8):
            self.write(f'in{i}', '2')
        self.assertHit(self.t())

    def test_case_26_copy_of_the_addon_and_dlopen_work(self):
        self.script("""
          fs.copyFileSync(addonPath, '/tmp/' + process.pid + '.node');
          const copy = createRequire(import.meta.url)('/tmp/' + process.pid + '.node');
          fs.unlinkSync('/tmp/' + process.pid + '.node');
          const module = { exports: {} };
          process.dlopen(module, addonPath);
          say([copy.load().getEnv('X'), module.exports.load().getEnv('X')]);
        """)
        self.assertEqual(self.said_once(self.t(X='1')), ['1', '1'])

    def test_case_27_odd_paths_have_no_effect(self):
        self.script("""
          for (const path of ['a\\0b', '\\ud800', 'x'.repeat(200000),
                              '/' + 'y'.repeat(2000000)])
            for (const call of [ignoreInput, ignoreOutput]) call(path);
          read('a');
        """)
        self.write('a', '1')
        self.assertStored()
        self.write('a', '2')
        self.assertMiss("'a' modified", self.t())

    def test_case_28_absent_variable_is_undefined(self):
        self.script("say([getEnv('NODE_ENV') === undefined, getEnv('NODE_ENV') === null]);")
        self.assertEqual(self.said_once(self.t()), [True, False])

    def test_addon_is_small_and_needs_nothing_but_libc(self):
        # As shipped: a debug build keeps its symbols.
        self.assertOk(self.command('strip', '-o', 'addon', self.find_addon()))
        self.assertLess((self.workspace / 'addon').stat().st_size, 100 * 1000)
        needed = self.assertOk(self.command('readelf', '-d', 'addon')).out
        libraries = [line.rpartition('[')[2].rstrip(']')
                     for line in needed.splitlines() if '(NEEDED)' in line]
        self.assertLessEqual(set(libraries), {'libc.so.6', 'ld-linux-x86-64.so.2'})

    def test_positive_hints_are_extra_methods(self):
        self.script("""
          const client = addon().load();
          client.trackInput('seen');
          client.trackValue('mode', 'a');
          write('made', 'made');
          client.trackOutput('made');
          say([thrown(() => client.trackInput(5))[0], thrown(() => client.trackValue('k'))[0]]);
          const wrapper = await import('@voidzero-dev/vite-task-client');
          say(Object.keys(wrapper).sort());
        """, output=[])
        self.write('seen', '1')
        said = self.said(self.assertOk(self.t()))
        (self.workspace / 'made').unlink()
        self.assertEqual(said[0], ['StringExpected'] * 2)
        self.assertEqual(said[1], ['disableCache', 'getEnv', 'getEnvs',
                                   'ignoreInput', 'ignoreOutput'])
        self.assertHit(self.t())
        self.assertEqual(self.read('made'), 'made')
        self.write('seen', '2')
        self.assertMiss("'seen' modified", self.t())
        self.write('seen', '1')
        self.assertHit(self.t())

    def test_opt_out_says_why_and_where(self):
        self.script("addon().load().disableCache('it looks at the moon');")
        first = self.assertNotStored('it looks at the moon')
        self.assertRegex(first.out, r'opted out of caching: it looks at the moon '
                                    r'.*t\.mjs:\d+')
