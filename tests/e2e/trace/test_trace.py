# SPDX-License-Identifier: Apache-2.0
"""`vt trace`: what a command did, and nothing of it changed by being looked at."""
import json
import os
import re
import signal
import socket
import sys

from json_schema import problems
from vtask_e2e import ROOT, VtTest, requires, timeout


def to_bytes(text):
    """What docs/schema/trace.schema.json says of names."""
    return re.sub(rb'\\(\\|x[0-9a-f]{2})',
                  lambda m: b'\\' if m[1] == b'\\' else bytes([int(m[1][1:], 16)]),
                  text.encode())


class TraceTest(VtTest):

    def setUp(self):
        super().setUp()
        self.package({})
        self.write('in.txt', 'one\n')

    def report(self, *command, **options):
        """The JSON of a command that ends well, and {path: access}."""
        result = self.assertOk(self.vt('trace', '--json', *command, **options))
        document = json.loads(result.out)
        schema = json.loads((ROOT / 'docs/schema/trace.schema.json').read_text())
        self.assertEqual(problems(document, schema), [])
        return document, {a['path']: a for a in document['accesses']}

    def inside(self, name):
        return str(self.workspace.resolve() / name)

    @requires('listener')
    def test_streams_and_exit_code_are_the_commands(self):
        result = self.vt('trace', 'sh', '-c', 'cat in.txt; echo two >&2; exit 7')
        self.assertCode(7, result)
        self.assertEqual(result.out, 'one\n')
        said, report = result.err.split('\n', 1)
        self.assertEqual(said, 'two')
        self.assertRegex(report, r'(?m)^  n?s?.* read\S* +in\.txt$')
        self.assertRegex(report, r'(?m)^ended +exit code 7 after ')

    @requires('listener')
    def test_text_groups_what_was_done(self):
        err = self.assertOk(self.vt(
            'trace', 'sh', '-c', 'cat in.txt >out.txt; rm gone.txt; test -e no.txt;'
            ' exit 0')).err
        self.assertRegex(err, r'Changed in the workspace \(1\)\n.* new +out\.txt\n')
        self.assertRegex(err, r'Looked for in the workspace and not there \(2\)\n'
                              r'.* gone\.txt\n.* no\.txt\n')
        self.assertRegex(err, r'Executed outside of the workspace \(\d+\)\n(.*\n)*'
                              r'.* executed\S* +/\S*/cat\n')
        self.assertRegex(err, r'Notifications \(\d+\)\n(.*\n)* +\d+  execve\n')
        self.assertRegex(err, r'(?m)^tracking +tier \d')

    @requires('listener')
    def test_json_is_alone_on_stdout(self):
        self.write('old.txt', 'old')
        document, accesses = self.report(
            'sh', '-c', 'cat in.txt; cat in.txt >out.txt; rm old.txt; cat no.txt; exit 0')
        self.assertIn('one\n', self.history[-1].split('--- stderr\n')[1])
        self.assertEqual(document['exitCode'], 0)
        self.assertEqual(document['root'], self.inside('').rstrip('/'))
        self.assertTrue(document['isWorkspace'])
        self.assertEqual(document['tracking']['notStored'], [])
        self.assertGreater(document['tracking']['notifications']['execve'], 0)
        self.assertIn('content', accesses[self.inside('in.txt')]['observed'])
        self.assertEqual(accesses[self.inside('in.txt')]['program'].split('/')[-1],
                         'cat')
        self.assertTrue(accesses[self.inside('no.txt')]['missing'])
        self.assertEqual(accesses[self.inside('out.txt')]['change'],
                         {'before': 'missing', 'isOutput': True, 'isDeletion': False})
        gone = accesses[self.inside('old.txt')]['change']
        self.assertEqual((gone['before'], gone['sizeBefore'], gone['isDeletion']),
                         ('file', 3, True))
        self.assertIn('digestBefore', gone)

    @requires('listener')
    def test_names_lose_no_byte(self):
        name = b'a\xff\\"\n\xc3\xa9\\xff'
        with open(os.path.join(os.fsencode(self.workspace), name), 'w'):
            pass
        document, accesses = self.report('sh', '-c', 'cat a*')
        self.assertIn(os.fsencode(self.workspace.resolve()) + b'/' + name,
                      [to_bytes(path) for path in accesses])
        self.assertEqual([to_bytes(word) for word in document['command']],
                         [b'sh', b'-c', b'cat a*'])

    @requires('listener')
    def test_output_goes_into_a_file_of_the_users(self):
        result = self.assertOk(self.command(
            'sh', '-c', f'umask 027; exec {self.vt_program} trace --json -o out/t.json '
            'cat ../in.txt', cwd=self.write('sub/out/x', '').parents[1]))
        self.assertEqual((result.out, result.err), ('one\n', ''))
        path = self.workspace / 'sub/out/t.json'
        self.assertEqual(path.stat().st_mode & 0o777, 0o640)
        self.assertIn(self.inside('in.txt'), path.read_text())

    @requires('listener')
    def test_output_may_be_a_descriptor(self):
        self.assertOk(self.command(
            'bash', '-c', f'{self.vt_program} trace -o /dev/fd/7 true 7>got'))
        self.assertIn('exit code 0', self.read('got'))
        result = self.assertOk(self.vt('trace', '--output=-', 'true'))
        self.assertIn('exit code 0', result.out)
        self.assertEqual(result.err, '')

    @requires('listener')
    def test_output_that_cannot_be_opened_runs_nothing(self):
        result = self.assertCode(1, self.vt('trace', '-o', 'no/such/file', 'touch', 'ran'))
        self.assertEqual(result.err, 'error: opening `no/such/file`: '
                                     'No such file or directory\n')
        self.assertFalse((self.workspace / 'ran').exists())

    @requires('listener')
    def test_outside_of_a_workspace_the_directory_stands_for_it(self):
        place = self.tmp / 'elsewhere'
        place.mkdir()
        document, accesses = self.report('touch', 'new.txt', cwd=place)
        self.assertFalse(document['isWorkspace'])
        self.assertEqual(document['root'], str(place))
        self.assertTrue(accesses[str(place / 'new.txt')]['change']['isOutput'])

    @requires('listener')
    def test_environment_and_directory_are_the_callers(self):
        (self.workspace / 'sub').mkdir()
        result = self.vt('trace', 'sh', '-c', 'echo $MARK; pwd; wc -c',
                         cwd=self.workspace / 'sub', env={'MARK': 'here'},
                         stdin='not for it')
        self.assertEqual(result.out.split(), ['here', self.inside('sub'), '0'])

    @requires('listener')
    def test_reason_not_to_store_is_told(self):
        name = str(self.tmp / 'service')
        service = socket.socket(socket.AF_UNIX)
        self.addCleanup(service.close)
        service.bind(name)
        self.addCleanup(os.unlink, name)
        service.listen()
        self.write('talk.py', 'import socket, sys\n'
                   'socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n')
        document, _ = self.report(sys.executable, 'talk.py', name)
        why, = document['tracking']['notStored']
        self.assertEqual((why['reason'], why['path']), ('USED_SERVICE', name))
        self.assertRegex(self.vt('trace', sys.executable, 'talk.py', name).err,
                         rf'could not be stored: used the service `{name}`\n')

    @requires('listener')
    def test_tiers(self):
        document, accesses = self.report('--tier', '3', 'cat', 'in.txt')
        self.assertEqual(document['tracking']['tier'], 3)
        self.assertIn(self.inside('in.txt'), accesses)
        self.vt('daemon', 'stop')
        result = self.vt('trace', 'touch', 'ran', env={'VT_TRACK_TIER': '4'})
        self.assertCode(1, result)
        self.assertEqual(result.err, 'error: files cannot be tracked on this machine: '
                                     'turned off by VT_TRACK_TIER\n')
        self.assertFalse((self.workspace / 'ran').exists())

    def test_what_cannot_be_run_is_said(self):
        self.assertEqual(self.assertCode(1, self.vt('trace', 'no-such-thing')).err,
                         'error: `no-such-thing` was not found on PATH\n')
        self.assertEqual(self.assertCode(1, self.vt('trace', './in.txt')).err,
                         'error: `./in.txt` was not found, or is no program\n')
        self.assertIn('no command to trace', self.assertCode(2, self.vt('trace')).err)
        self.assertIn('vt trace [OPTIONS]', self.assertOk(self.vt('trace', '-h')).out)

    @requires('listener')
    def test_refused_inside_of_a_task_and_of_itself(self):
        self.package({'t': {'command': 'vt trace true', 'cache': False},
                      'cached': 'vt trace true'})
        env = {'PATH': f'{self.vt_program.parent}:{self.env["PATH"]}'}
        for task in ('t', 'cached'):
            result = self.assertCode(1, self.vt('run', task, env=env))
            self.assertIn(f'`vt trace` does not work inside of a task (app#{task})',
                          result.text)
        result = self.assertCode(1, self.vt('trace', 'vt', 'trace', 'true', env=env))
        self.assertIn('`vt trace` does not work inside of another `vt trace`',
                      result.err)

    @requires('listener')
    def test_run_inside_is_noted(self):
        self.package({'t': 'cat in.txt'})
        env = {'PATH': f'{self.vt_program.parent}:{self.env["PATH"]}'}
        result = self.assertOk(self.vt('trace', 'vt', 'run', 't', env=env))
        self.assertIn('one\n', result.out)
        self.assertIn('it started `vt run`', result.err)

    @requires('listener')
    @timeout(90)
    def test_interrupt_ends_the_tree_and_still_reports(self):
        running = self.start_vt('trace', 'sh', '-c', 'cat in.txt; sleep 1000 & wait')
        running.wait_for('one')
        running.signal(signal.SIGINT)
        self.assertEqual(running.finish(), 130)
        self.assertIn('interrupted after', running.output)
        self.assertRegex(running.output, r'(?m) in\.txt$')
        self.wait_gone(self.tasks)

    @requires('listener')
    def test_shim_that_dies_takes_the_command_along(self):
        running = self.start_vt('trace', 'sh', '-c', 'echo up; sleep 1000')
        running.wait_for('up')
        running.signal(signal.SIGKILL)
        running.finish()
        self.wait_gone(self.tasks)

    @requires('listener')
    def test_long_output_is_whole(self):
        result = self.assertOk(self.vt('trace', 'seq', '300000'))
        self.assertEqual(len(result.out.splitlines()), 300000)
        self.assertIn('exit code 0', result.err)

    @requires('listener')
    def test_verbose_run_tells_how_a_task_was_tracked(self):
        self.package({'t': 'cat in.txt'})
        self.assertRegex(self.assertOk(self.vt('run', '-vv', 't')).out,
                         r'Tracked:   tier \d, \d+ paths, \d+ notifications, '
                         r'\d+ signed records\n')
        self.assertNotIn('Tracked:', self.assertHit(self.vt('run', 't')).out)
