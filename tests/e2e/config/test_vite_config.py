# SPDX-License-Identifier: Apache-2.0
"""The `run` field of vite.config files: evaluated, tracked and cached like an
action (decisions H12)."""
import json
import os
import signal
import socket

from vtask_e2e import VtTest, requires, serial, timeout


class ViteConfig(VtTest):
    # Says that it was evaluated, each time it is.
    LOUD = "console.log('EVALUATED');\n"

    def config(self, body, where='.', name='vite.config.mjs'):
        self.write(f'{where}/{name}', self.LOUD + body)

    def assertEvaluated(self, result):
        self.assertIn('EVALUATED', result.err, f'\n{result}')
        self.assertNotIn('EVALUATED', result.out, f'\n{result}')
        return self.assertOk(result)

    def assertNotEvaluated(self, result):
        self.assertNotIn('EVALUATED', result.text, f'\n{result}')
        return self.assertOk(result)

    def assertRefused(self, result, *parts):
        self.assertCode(2, result)
        for part in parts:
            self.assertIn(part, result.err, f'\n{result}')
        self.assertNotIn('$ ', result.out)

    # --- what it is worth -----------------------------------------------------

    @requires('listener')
    def test_evaluated_once_while_its_inputs_are_the_same(self):
        self.package()
        self.config("import { t } from './shared.mjs';\n"
                    'export default { run: { tasks: { t } } };\n')
        self.write('shared.mjs', "export const t = 'echo one';\n")
        self.assertIn('one', self.assertEvaluated(self.vt('run', 't')).out)
        self.assertIn('one', self.assertNotEvaluated(self.vt('run', 't')).out)
        self.write('shared.mjs', "export const t = 'echo two';\n")
        self.assertIn('two', self.assertEvaluated(self.vt('run', 't')).out)
        # As it was: that result is there still.
        self.write('shared.mjs', "export const t = 'echo one';\n")
        self.assertIn('one', self.assertNotEvaluated(self.vt('run', 't')).out)

    @requires('listener')
    def test_files_that_it_reads_and_looks_for_are_inputs(self):
        self.package()
        self.config("import fs from 'node:fs';\n"
                    "const names = fs.readdirSync('tasks');\n"
                    "const extra = fs.existsSync('extra.json');\n"
                    'export default { run: { tasks: {\n'
                    "  list: 'echo ' + names + ' ' + extra } } };\n")
        self.write('tasks/a', '')
        self.assertIn('a false', self.assertEvaluated(self.vt('run', 'list')).out)
        self.write('tasks/b', '')
        self.assertIn('a,b false', self.assertEvaluated(self.vt('run', 'list')).out)
        self.write('extra.json', '')
        self.assertIn('a,b true', self.assertEvaluated(self.vt('run', 'list')).out)
        self.assertNotEvaluated(self.vt('run', 'list'))

    @requires('listener')
    def test_only_variables_that_it_reads_are_inputs(self):
        self.package()
        self.config("const { MODE } = process.env;\n"
                    "export default { run: { tasks: { t: 'echo =' + MODE + '=' } } };\n")
        self.assertIn('=undefined=', self.assertEvaluated(self.vt('run', 't')).out)
        self.assertNotEvaluated(self.vt('run', 't', env={'OTHER': 'x'}))
        one = {'MODE': 'one'}
        self.assertIn('=one=', self.assertEvaluated(self.vt('run', 't', env=one)).out)
        self.assertNotEvaluated(self.vt('run', 't', env={**one, 'OTHER': 'y'}))
        self.assertIn('=undefined=', self.assertNotEvaluated(self.vt('run', 't')).out)

    @requires('listener')
    def test_listing_the_variables_depends_on_their_names(self):
        self.package()
        self.config("const names = Object.keys(process.env).filter(n => /^APP_/.test(n));\n"
                    "export default { run: { tasks: { t: 'echo =' + names + '=' } } };\n")
        self.assertIn('==', self.assertEvaluated(self.vt('run', 't')).out)
        self.assertIn('=APP_A=', self.assertEvaluated(
            self.vt('run', 't', env={'APP_A': '1'})).out)
        self.assertIn('=APP_A=', self.assertNotEvaluated(
            self.vt('run', 't', env={'APP_A': '2'})).out)

    @requires('listener')
    @timeout(180)
    @requires('listener')
    def test_every_way_to_a_variable_s_value_is_seen(self):
        self.package()
        ways = {
            'after a listing':
                "Reflect.ownKeys(process.env); const v = "
                "Reflect.getOwnPropertyDescriptor(process.env, 'MODE')?.value",
            'descriptor':
                "Object.keys(process.env); const v = "
                "Object.getOwnPropertyDescriptor(process.env, 'MODE')?.value",
            'descriptors':
                'const v = Object.getOwnPropertyDescriptors(process.env).MODE?.value',
            'report':
                'const v = process.report.getReport().environmentVariables.MODE',
            'inspect':
                "const v = /MODE: '(.*?)'/.exec((await import('node:util'))"
                '.inspect(process.env))?.[1]',
            'spread': 'const v = { ...process.env }.MODE',
            'for': 'let v; for (const k in process.env) if (k === "MODE") v = process.env[k]',
            'worker':
                "import { Worker } from 'node:worker_threads';\n"
                'const v = await new Promise((done) => new Worker('
                '\'require("worker_threads").parentPort.postMessage(process.env.MODE)\','
                " { eval: true, execArgv: [] }).on('message', done))",
        }
        for name, code in ways.items():
            with self.subTest(name):
                self.config(f'{code};\n'
                            "export default { run: { tasks: { t: 'echo =' + v + '=' } } };\n")
                for mode in ('one', 'two'):
                    env = {'MODE': mode}
                    self.assertIn(f'={mode}=', self.vt('run', 't', env=env).out)
                    self.assertNotEvaluated(self.vt('run', 't', env=env))

    @requires('listener')
    def test_variables_read_from_proc_are_not_stored(self):
        self.package()
        self.config("import fs from 'node:fs';\n"
                    "const v = /MODE=(\\w+)/.exec(fs.readFileSync('/proc/self/environ'))?.[1];\n"
                    "export default { run: { tasks: { t: 'echo =' + v + '=' } } };\n")
        for mode in ('one', 'two'):
            self.assertIn(f'={mode}=', self.vt('run', 't', env={'MODE': mode}).out)

    @requires('listener')
    def test_a_directory_that_it_makes_and_lists_is_an_input(self):
        self.package()
        self.config("import fs from 'node:fs';\n"
                    "fs.mkdirSync('gen', { recursive: true });\n"
                    "fs.writeFileSync('gen/own', '');\n"
                    "const v = fs.readdirSync('gen');\n"
                    "export default { run: { tasks: { t: 'echo =' + v + '=' } } };\n")
        for _ in range(2):
            self.assertIn('=own=', self.vt('run', 't').out)
        self.assertNotEvaluated(self.vt('run', 't'))
        self.write('gen/more', '')
        self.assertIn('=more,own=', self.vt('run', 't').out)

    @requires('listener')
    def test_a_child_process_and_a_worker_read_variables_too(self):
        self.package()
        self.config(
            "import { execFileSync } from 'node:child_process';\n"
            "import { Worker } from 'node:worker_threads';\n"
            "const child = execFileSync('/bin/sh', ['-c', 'echo $CHILD']);\n"
            "const worker = await new Promise((done) => new Worker(\n"
            "  'require(\"worker_threads\").parentPort.postMessage(String(process.env.INNER))',\n"
            "  { eval: true }).on('message', done));\n"
            "export default { run: { tasks: {\n"
            "  t: 'echo =' + String(child).trim() + worker + '=' } } };\n")
        env = {'CHILD': 'a', 'INNER': 'b'}
        self.assertIn('=ab=', self.assertEvaluated(self.vt('run', 't', env=env)).out)
        self.assertNotEvaluated(self.vt('run', 't', env=env))
        env['INNER'] = 'c'
        self.assertIn('=ac=', self.assertEvaluated(self.vt('run', 't', env=env)).out)
        env['CHILD'] = 'd'
        self.assertIn('=dc=', self.assertEvaluated(self.vt('run', 't', env=env)).out)

    @requires('listener')
    def test_one_process_evaluates_all_packages_in_their_directories(self):
        self.write('package.json', {'name': 'root', 'workspaces': ['p/*']})
        for name in 'abc':
            self.package(where=f'p/{name}')
            self.config("import fs from 'node:fs';\n"
                        "export default { run: { tasks: { t: 'echo ' + process.pid +"
                        " JSON.parse(fs.readFileSync('package.json')).name } } };\n",
                        where=f'p/{name}')
        out = self.assertEvaluated(self.vt('run', '-r', 't')).out
        pids = {line[:-1] for line in out.splitlines() if line[:-1].isdigit()}
        self.assertEqual(1, len(pids), out)
        for name in 'abc':
            self.assertRegex(out, rf'\d+{name}\n')

    def test_a_file_without_run_and_imports_of_ours_is_not_evaluated(self):
        self.package(scripts={'s': 'echo s'})
        self.config("throw new Error('no');\nexport default { plugins: [] };\n")
        self.assertNotEvaluated(self.vt('run', 's'))

    def test_typescript_and_the_first_name_wins(self):
        self.package()
        self.write('vite.config.ts', "import { t } from './shared';\n"
                   'export default { run: { tasks: { t: t as string } } };\n')
        self.write('shared.ts', "export const t: string = 'echo typed';\n")
        self.assertIn('typed', self.assertOk(self.vt('run', 't')).out)
        self.write('vite.config.js', 'module.exports = { run: { tasks: { t: "echo js" } } };\n')
        self.assertIn('echo js', self.assertOk(self.vt('run', 't')).out)

    @requires('listener')
    @timeout(120)
    def test_vite_s_own_loader_is_used_where_vite_is_installed(self):
        self.example()
        (self.workspace / 'vite-task.json').unlink()
        # What only a bundler takes: JSON by a name without attributes, enums.
        self.write('shared.json', {'word': 'one'})
        self.write('vite.config.ts', self.LOUD +
                   "import { defineConfig } from 'vite';\n"
                   "import shared from './shared.json';\n"
                   'enum Kind { A = 5 }\n'
                   'export default defineConfig(({ command, mode }) => ({ run: { tasks: {\n'
                   "  t: `echo ${shared.word} ${Kind.A} ${command} ${mode}` } } } as any));\n")
        self.assertIn('one 5 build production',
                      self.assertEvaluated(self.vt('run', 't')).out)
        self.assertNotEvaluated(self.vt('run', 't'))
        self.write('shared.json', {'word': 'two'})
        self.assertIn('two 5', self.assertEvaluated(self.vt('run', 't')).out)
        self.assertNotEvaluated(self.vt('run', 't'))

    # --- errors ---------------------------------------------------------------

    def test_a_config_that_throws_stops_every_run(self):
        self.write('package.json', {'name': 'root', 'workspaces': ['p'],
                                    'scripts': {'s': 'echo s'}})
        self.package(where='p')
        self.write('p/vite.config.mjs', "throw new TypeError('boom in config');\n"
                   'export default { run: {} };\n')
        self.assertRefused(self.vt('run', 's'), 'p/vite.config.mjs: ',
                           'TypeError: boom in config', 'vite.config.mjs:1')

    def test_each_broken_config_gives_one_error_that_names_it(self):
        self.package(scripts={'s': 'echo s'})
        for body, part in [
                ('export default { run: {', 'SyntaxError'),
                ('const run = 7; export default run', 'number, expected an object'),
                ('export default null; const run = 1', 'null'),
                ('export const run = {}', 'undefined'),
                ('export default { run: 7 }', '`run`: found number 7'),
                ('export default { run: { task: {} } }',
                 'unknown key `run.task`'),
                ('export default { run: { tasks: { t: () => 1 } } }',
                 '`run.tasks.t`: found a function'),
                ('export default { run: { tasks: { t: [Symbol("x")] } } }',
                 '`run.tasks.t[0]`: found a symbol'),
                ('export default { run: { tasks: new Map() } }',
                 '`run.tasks`: found an object of class Map'),
                ('const run = {}; run.tasks = run; export default { run }',
                 '`run.tasks`: found a value that contains itself'),
                ('process.exit(0); export default { run: {} }',
                 'ended the process with exit code 0'),
                ('await new Promise(() => {}); export default { run: {} }',
                 'it awaits what never happens'),
                ("import 'not-there'; export default { run: {} }",
                 "'not-there'")]:
            with self.subTest(part):
                self.write('vite.config.mjs', body + '\n')
                self.assertRefused(self.vt('run', 's'),
                                   str(self.workspace / 'vite.config.mjs'), part)

    def test_an_undefined_member_is_as_if_it_were_not_there(self):
        self.package()
        self.write('vite.config.mjs', 'export default { run: { tasks: { t: {\n'
                   "  command: 'echo ok', cwd: undefined } } } };\n")
        self.assertOk(self.vt('run', 't'))

    def test_run_in_both_files_is_an_error_that_names_both(self):
        self.package(tasks={'t': 'echo t'})
        self.write('vite.config.mjs', 'export default { run: {} };\n')
        self.assertRefused(self.vt('run', 't'), 'vite.config.mjs', 'vite-task.json')
        self.write('vite.config.mjs', 'const run = 1; export default { base: run };\n')
        self.assertOk(self.vt('run', 't'))

    def test_without_node_the_error_names_the_remedy(self):
        self.package()
        self.write('vite.config.mjs', 'export default { run: {} };\n')
        self.assertRefused(self.vt('run', 't', env={'PATH': '/nowhere'}),
                           'vite.config.mjs', '`node`', 'vite-task.json')

    @serial
    def test_a_config_that_hangs_is_stopped_at_the_deadline(self):
        self.package()
        self.write('vite.config.mjs', 'setInterval(() => {}, 1000);\n'
                   'await new Promise(() => {}); export default { run: {} };\n')
        result = self.vt('run', 't', env={'VT_CONFIG_TIMEOUT': '1'})
        self.assertRefused(result, 'vite.config.mjs', 'did not end within 1s')
        self.assertLess(result.seconds, 10)

    def test_ctrl_c_ends_an_evaluation(self):
        self.package()
        self.write('vite.config.mjs', "console.log('PID ' + process.pid);\n"
                   'setInterval(() => {}, 1000);\n'
                   'await new Promise(() => {}); export default { run: {} };\n')
        run = self.start_vt('run', 't')
        pid = int(run.wait_for(r'PID (\d+)').group(1))
        run.signal(signal.SIGINT)
        self.assertEqual(130, run.finish())
        self.assertFalse(os.path.exists(f'/proc/{pid}'))

    @requires('listener')
    def test_what_cannot_be_stored_is_evaluated_again_and_says_why(self):
        self.package()
        place = str(self.tmp / 'service')
        # Another process's socket is a service (decisions H3).
        service = socket.socket(socket.AF_UNIX)
        self.addCleanup(service.close)
        service.bind(place)
        self.addCleanup(os.unlink, place)
        service.listen()
        self.config("import net from 'node:net';\n"
                    'await new Promise((done) => net.connect('
                    f'{json.dumps(place)}).on("connect", done));\n'
                    "export default { run: { tasks: { t: 'echo t' } } };\n")
        first = self.assertEvaluated(self.vt('run', '-vv', 't'))
        self.assertRegex(first.err, r'vite\.config: .*not stored: .*service')
        self.assertEvaluated(self.vt('run', 't'))
