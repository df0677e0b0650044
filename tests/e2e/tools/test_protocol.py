# SPDX-License-Identifier: Apache-2.0
"""What a client of the endpoint may do wrong, and when its reports count (tool
endpoint, cases 29 to 52), with a raw client where no wrapper would do it."""
import json
import signal
import time

from tool_task import ToolTest
from vtask_e2e import ROOT, serial, timeout


class ProtocolTest(ToolTest):

    def check_ignored(self, *names):
        """After a run that ignored them, edits of these are hits."""
        for name in names:
            self.write(name, 'edited')
        self.assertHit(self.t())

    def test_case_29_opt_out_by_a_raw_client(self):
        self.raw("Raw().report(9, b'')")
        first = self.assertNotStored('the task opted out of caching', '-v')
        self.assertIn('→ Not cached: the task opted out of caching', first.out)
        last = self.assertOk(self.vt('run', '--last-details'))
        self.assertIn('→ Not cached: the task opted out of caching', last.out)

    def test_case_30_opt_out_by_the_wrapper_is_honoured(self):
        self.script('disableCache();')
        self.assertNotStored('the task opted out of caching')

    def test_tool_opt_out_ignored_by_the_user(self):
        self.script('disableCache();', toolOptOut='ignore')
        self.assertIn('as `cache.toolOptOut` says', self.assertStored().out)

    def test_case_31_unknown_request_is_refused_alone(self):
        # Ours (D3): the connection goes on, the run is stored.
        self.write('in', '1')
        self.raw("""
client = Raw()
assert b'not a request' in client.ask(99, b''), 'no error'
client.report(99, b'')
client.ignore_input(os.path.abspath('in'))
assert b'yes' in client.get_env(b'PROBE')
open('in').read()
""")
        self.assertStored(PROBE='yes')
        self.write('in', '2')
        self.assertHit(self.t(PROBE='yes'))

    def test_case_32_frames_that_are_no_messages(self):
        for name, frame in (('trailing', b'\x01\x00\x00\x00\x08'),
                            ('empty', b'\x00\x00\x00\x00'),
                            ('wrong type', b'\x02\x00\x00\x00\x12\x7f')):
            with self.subTest(name):
                self.raw(f'# {name}\nclient = Raw()\nclient.write({frame!r})\n'
                         'try: client.sync()\nexcept OSError: pass\n'
                         'except EOFError: pass\n')
                result = self.assertNotStored('task communication failed: pid ')
                self.assertIn('python3', result.out)

    def test_case_33_relative_path_is_refused_alone(self):
        self.raw("""
client = Raw()
assert b'non-absolute path from the task: "relative/path"' in \\
    client.ask(3, field(1, b'relative/path'))
client.ignore_input('relative/path')
client.sync()
""")
        self.assertStored()

    def test_case_34_glob_that_does_not_parse_is_refused_alone(self):
        self.script("""
          say(thrown(() => getEnvs('{unclosed'))[1]);
          say(getEnv('PROBE'));
        """)
        said = self.said(self.assertStored(PROBE='1'))
        self.assertIn('invalid glob pattern from the task: "{unclosed"', said[0])
        self.assertEqual(said[1], '1')

    def test_case_35_ends_in_the_middle_are_clean(self):
        for name, ending in (('truncated frame', r"write(b'\x20\x00\x00\x00abc')"),
                             ('half a length', r"write(b'\x20\x00')"),
                             ('no frame', 'sync()')):
            with self.subTest(name):
                self.raw(f'# {name}\nRaw().{ending}\n')
                self.assertStored()
        self.raw('Raw(hello=False)\n')
        self.assertStored()

    def test_case_36_length_over_the_limit_ends_its_connection(self):
        self.raw(r"""
client, other = Raw(), Raw()
client.write(b'\x00\x00\x00\x40')
try:
    assert not client.socket.recv(1)
except ConnectionError:
    pass
assert b'yes' in other.get_env(b'PROBE')
""")
        self.assertNotStored('a frame of 1073741824 bytes', PROBE='yes')

    def test_case_37_broken_client_does_not_hurt_others(self):
        self.raw(r"""
old, bad = Raw(), Raw()
bad.write(b'\xff\xff\xff\xff garbage')
try:
    assert not bad.socket.recv(1)
except ConnectionError:
    pass
for client in (old, Raw()):
    assert b'yes' in client.get_env(b'PROBE')
""")
        self.assertNotStored('task communication failed', PROBE='yes')

    def test_case_38_reports_after_a_refused_glob_do_not_hang(self):
        self.write('in', '1')
        self.script("""
          say(thrown(() => getEnvs('{unclosed'))[0]);
          for (let i = 0; i < 3000; i++) ignoreInput('x'.repeat(100) + i);
          ignoreInput('in');
          read('in');
        """)
        self.assertEqual(self.said_once(self.t()), 'GenericFailure')
        self.check_ignored('in')

    LINGER = """
if os.fork() == 0:
    os.setsid()
    null = os.open('/dev/null', os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    client = Raw()
    open('connected', 'w').close()
    time.sleep({seconds})
    {then}
    os._exit(0)
while not os.path.exists('connected'):
    pass
"""

    def drain_up_to(self, seconds):
        config = self.tmp / 'e/vtask/config.json'
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({'toolDrainTimeout': seconds}))

    @serial
    def test_case_39_lingering_client_is_cut_off_and_named(self):
        self.raw(self.LINGER.format(seconds=25, then='pass'),
                 input=['t.py'], output=[])
        began = time.monotonic()
        first = self.assertOk(self.t())
        self.assertLess(time.monotonic() - began, 12)
        self.assertGreater(time.monotonic() - began, 1.9)
        self.assertIn('a process was still connected after the task had ended',
                      first.out)
        self.assertRegex(first.out, r'python3 t\.py \[\d+\]')

    def test_drain_is_as_long_as_the_user_says(self):
        self.drain_up_to(40)  # unless the user says more, it is 2 s
        self.raw(self.LINGER.format(seconds=4, then='pass'),
                 input=['t.py'], output=[])
        self.assertStored()

    def test_reports_of_a_client_that_ends_within_the_drain_count(self):
        self.drain_up_to(40)  # a busy machine is no matter of this test
        self.write('in', '1')
        self.raw('open("in").read()\n' + self.LINGER.format(
            seconds=0.3, then='client.ignore_input(os.path.abspath("in"))'),
            input=['in', 't.py'], output=[])
        self.assertStored()

    def test_case_40_client_that_comes_too_late_finds_nothing(self):
        self.raw("""
if os.fork() == 0:
    os.setsid()
    null = os.open('/dev/null', os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    while os.path.exists(os.environ['VT_IPC']):
        time.sleep(0.01)
    try:
        Raw()
        said = 'connected'
    except OSError as error:
        said = type(error).__name__
    with open('late.new', 'w') as file:
        file.write(said)
    os.rename('late.new', 'late')
    os._exit(0)
""", input=['t.py'], output=[])
        self.assertOk(self.t())
        late = self.workspace / 'late'
        self.wait_until(late.exists, 'the late client has tried')
        self.assertEqual(late.read_text(), 'FileNotFoundError')

    def test_case_41_five_thousand_reports_before_an_exit(self):
        self.write('last', '1')
        self.script("""
          read('last');
          for (let i = 0; i < 5000; i++) ignoreInput(`dir/${i}`);
          ignoreInput('last');
          process.exit(0);
        """)
        self.assertOk(self.t())
        self.check_ignored('last')

    def test_case_42_two_hundred_connections(self):
        self.script("""
          const { load } = addon();
          const clients = [...Array(200)].map(() => load());
          say(clients.map(client => client.getEnv('PROBE'))
              .filter(value => value === 'yes').length);
        """)
        self.assertEqual(self.said_once(self.t(PROBE='yes')), 200)
        self.assertHit(self.t(PROBE='yes'))

    def test_case_43_and_44_stray_bytes_and_callers_without_a_word(self):
        # A connection is the only rendezvous: there is nothing to disturb.
        self.raw("""
silent = [Raw(hello=False) for _ in range(20)]
stray = Raw(hello=False)
stray.write(b'abcde')
stray.socket.close()
assert b'yes' in Raw().get_env(b'PROBE')
""")
        result = self.t(PROBE='yes')
        self.assertOk(result)
        # 'abcd' is a length over the limit: that client is at fault.
        self.assertIn('a frame of 1684234849 bytes', result.out)

    def test_case_45_endpoint_removed_by_the_task(self):
        self.script("""
          fs.unlinkSync(process.env.VT_IPC);
          ignoreInput('x');
          say([getEnv('PROBE') ?? null, thrown(() => addon().load())[1]]);
        """)
        value, error = self.said_once(self.t(PROBE='1'))
        self.assertIsNone(value)
        self.assertTrue(error.endswith('No such file or directory (os error 2)'), error)
        self.assertHit(self.t(PROBE='1'))

    def test_case_46_exit_code_is_kept_and_failures_are_not_stored(self):
        for text, code in (('client.report(9, b"")\nsys.exit(3)', 3),
                           (r'client.write(b"\0\0\0\0")' '\nsys.exit(2)', 2)):
            self.raw('client = Raw()\n' + text)
            for _ in range(2):
                result = self.assertCode(code, self.t())
                self.assertNotIn('ot cached', result.out)
                self.assertNotIn('cache hit', result.out)

    def test_case_47_protocol_error_of_a_declared_task(self):
        self.raw(r"Raw().write(b'\0\0\0\0')", input=['t.py'], output=[])
        self.assertNotStored('task communication failed')

    def test_case_48_summary_of_three_commands(self):
        self.write('raw.py', '')
        self.raw("client = Raw()\n"
                 "if sys.argv[1] == 'out': client.report(9, b'')\n"
                 r"if sys.argv[1] == 'garbage': client.write(b'\0\0\0\0')",
                 command='python3 t.py out && python3 t.py garbage && '
                         'python3 t.py clean')
        first = self.assertOk(self.t())
        self.assertIn('vt run: 0/3 cache hit (0%), 3/3 successful.', first.out)
        details = self.assertOk(self.vt('run', '--last-details')).out
        self.assertIn('Not cached: the task opted out of caching', details)
        self.assertIn('Not cached: task communication failed', details)
        self.assertIn('1/3 cache hit', self.assertOk(self.t()).out)

    def test_case_49_task_that_kills_itself(self):
        self.raw('client = Raw()\nos.kill(os.getpid(), signal.SIGKILL)')
        for _ in range(2):
            self.assertCode(137, self.t())

    @serial
    def test_case_50_copy_of_the_descriptor_is_cut_off(self):
        self.raw("""
client = Raw()
if os.fork() == 0:
    os.setsid()
    null = os.open('/dev/null', os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    time.sleep(25)
    os._exit(0)
""", input=['t.py'], output=[])
        began = time.monotonic()
        first = self.assertOk(self.t())
        self.assertLess(time.monotonic() - began, 12)
        self.assertIn('a process was still connected', first.out)

    def test_case_51_answers_that_nobody_reads(self):
        self.raw("""
client = Raw()
for _ in range(200):
    client.frame(field(1, 7) + field(7, field(1, b'BIG') + field(2, 1)))
""")
        self.assertStored(BIG='x' * 100000)

    @serial
    @timeout(90)
    def test_case_52_interrupt_cuts_a_drain(self):
        self.raw(self.LINGER.format(seconds=25, then='pass')
                 + 'print("END", flush=True)\n', input=['t.py'], output=[])
        run = self.start_vt('run', 't')
        run.wait_for('END')
        run.signal(signal.SIGINT)
        began = time.monotonic()
        run.finish()
        self.assertLess(time.monotonic() - began, 4)
        self.assertNotIn('cache hit', run.output)

    def test_documented_conversation_and_example_work(self):
        text = (ROOT / 'docs/TOOL_IPC.md').read_text()
        example = text.partition('```python\n')[2].partition('```')[0]
        self.assertIn('ignore_output', example)
        frames = self.documented_frames(text)
        self.assertEqual(len(frames), 5)
        self.package({'t': 'python3 t.py', 'example': 'python3 example.py'})
        self.write('example.py', example)
        self.assertOk(self.vt('run', 'example'))
        self.write('t.py', f"""
import os, socket
frames = {frames!r}
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(os.environ['VT_IPC'])
for ask, answer in ((frames[0], frames[1]), (frames[2], frames[3])):
    s.sendall(ask)
    got = s.recv(len(answer), socket.MSG_WAITALL)
    assert got == answer, (got, answer)
s.sendall(frames[4])
""")
        self.assertStored(FOO='bar')

    def documented_frames(self, text):
        """The hex lines of `A conversation in bytes`, one frame each."""
        section = text.partition('## A conversation in bytes')[2]
        data = b''
        for line in section.partition('```')[0].splitlines():
            if line.startswith('    '):
                words = line.strip().split('   ')[0].split()
                data += bytes(int(word, 16) for word in words)
        frames = []
        while data:
            end = 4 + int.from_bytes(data[:4], 'little')
            frames.append(data[:end])
            data = data[end:]
        return frames
