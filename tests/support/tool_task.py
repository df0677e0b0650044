# SPDX-License-Identifier: Apache-2.0
"""What the tests of the tool endpoint share: tasks that are a few lines of
JavaScript on the unmodified npm wrapper, and a raw client for what no wrapper
would ever send (docs/TOOL_IPC.md)."""
import json
import shutil

from vtask_e2e import DEPS, VtTest

WRAPPER = '@voidzero-dev/vite-task-client'

PRELUDE = f"""\
import fs from 'node:fs';
import {{ createRequire }} from 'node:module';
import * as childProcess from 'node:child_process';
import {{ Worker }} from 'node:worker_threads';
import {{ disableCache, getEnv, getEnvs, ignoreInput, ignoreOutput }}
  from '{WRAPPER}';
const read = path => fs.readFileSync(path, 'utf8');
const write = (path, text) => {{
  fs.mkdirSync(path.split('/').slice(0, -1).join('/') || '.', {{ recursive: true }});
  fs.writeFileSync(path, text);
}};
const addonPath = process.env.VP_RUN_NODE_CLIENT_PATH;
const addon = () => createRequire(import.meta.url)(addonPath);
const say = value => console.log('SAID ' + JSON.stringify(value ?? null));
const sorted = object => Object.entries(object).sort();
// What a call throws: [code, message]; else 'returned'.
const thrown = call => {{
  try {{
    call();
    return 'returned';
  }} catch (error) {{
    return [error.code ?? error.constructor.name, error.message];
  }}
}};
"""

# `connect()`, `send(kind, …)` and friends for a task in Python: the wire format
# by hand, so that a test may write what no client should.
RAW = """\
import os, signal, socket, struct, sys, time

def varint(n):
    out = b''
    while n > 0x7f:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])

def field(number, data):
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    return varint(number << 3 | 2) + varint(len(data)) + data

class Raw:
    def __init__(self, hello=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(os.environ['VT_IPC'])
        if hello:
            self.ask(2, field(1, 1) + field(2, b'raw/1'))
    @classmethod
    def accepted(cls, listener):
        # The other side, for a test that plays the endpoint.
        self = cls.__new__(cls)
        self.socket, _ = listener.accept()
        self.socket.settimeout(20)
        return self
    def __enter__(self):
        return self
    def __exit__(self, *error):
        self.socket.close()
    def write(self, data):
        self.socket.sendall(data)
    def frame(self, body):
        self.write(struct.pack('<I', len(body)) + body)
    def report(self, number, message):
        self.frame(field(number, message))
    def ask(self, number, message):
        self.frame(field(1, 7) + field(number, message))
        return self.reply()
    def reply(self):
        size, = struct.unpack('<I', self.take(4))
        return self.take(size)
    def take(self, size):
        data = b''
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data
    def ignore_input(self, path):
        self.report(3, field(1, os.fsencode(path)))
    def get_env(self, name):
        reply = self.ask(7, field(1, name) + field(2, 1))
        return reply
    def sync(self):
        return self.ask(11, b'')
"""

_raw = {}
exec(RAW, _raw)  # pylint: disable=exec-used
Raw, field = _raw['Raw'], _raw['field']


class ToolTest(VtTest):

    def setUp(self):
        super().setUp()
        installed = DEPS / 'tools/node_modules' / WRAPPER
        if not installed.is_dir():
            self.fail(f'{installed} is not there: tests/run.sh installs it')
        shutil.copytree(installed, self.workspace / 'node_modules' / WRAPPER)

    def script(self, text, name='t', command=None, where='.', **cache):
        """A task that runs these lines of JavaScript."""
        self.write(f'{where}/{name}.mjs', PRELUDE + text)
        self.tasks_are({name: (command or f'node {name}.mjs', cache)}, where)

    def raw(self, text, name='t', command=None, **cache):
        """The same of Python, with a Raw client."""
        self.write(f'{name}.py', RAW + text)
        self.tasks_are({name: (command or f'python3 {name}.py', cache)})

    def tasks_are(self, tasks, where='.'):
        self.package({name: {'command': command, **({'cache': cache} if cache else {})}
                      for name, (command, cache) in tasks.items()}, where=where)

    def t(self, *flags, name='t', **env):
        return self.vt('run', *flags, name, env=env)

    def said(self, result):
        """What say() printed, in order."""
        return [json.loads(line[5:]) for line in result.out.splitlines()
                if line.startswith('SAID ')]

    def said_once(self, result):
        found = self.said(self.assertOk(result))
        self.assertEqual(len(found), 1, f'\n{result}')
        return found[0]

    def assertNotStored(self, why, *flags, **env):
        """Runs t twice: it tells why it is not stored, and does not hit."""
        first = self.assertOk(self.t(*flags, **env))
        self.assertIn('ot cached: ', first.out)
        self.assertIn(why, first.out)
        self.assertRan(self.t(*flags, **env))
        return first

    def assertStored(self, **env):
        """Runs t twice: the second hits."""
        first = self.assertRan(self.t(**env))
        self.assertHit(self.t(**env))
        return first
