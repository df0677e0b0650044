# SPDX-License-Identifier: Apache-2.0
"""Tools that are not JavaScript: `vt report` in shell tasks, libvtask_client
from an installed tree through pkg-config, CMake and Python. Cold and warm."""
import json
import shutil
import subprocess

from vtask_e2e import DIST, VtTest

VT = DIST / 'bin/vt'


class ReportTest(VtTest):

    def script(self, text, **config):
        """A task `t` that runs a shell script."""
        self.write('t.sh', text)
        self.package({'t': 'sh t.sh'})

    def run_t(self, *flags, **options):
        return self.vt('run', *flags, 't', **options)

    def test_ignored_input_does_not_miss_and_others_do(self):
        self.write('cache.txt', '1')
        self.write('in.txt', '1')
        self.script(f'{VT} report ignore-input cache.txt\ncat cache.txt in.txt')
        self.assertFirst(self.run_t())
        self.write('cache.txt', '2')
        self.assertHit(self.run_t())
        self.write('in.txt', '2')
        self.assertMiss("'in.txt' modified", self.run_t())

    def test_ignored_output_is_not_restored(self):
        self.script(f'{VT} report ignore-output scratch\n'
                    'mkdir -p scratch dist\necho s > scratch/s\n'
                    'echo d > dist/d')
        self.assertFirst(self.run_t())
        shutil.rmtree(self.workspace / 'scratch')
        shutil.rmtree(self.workspace / 'dist')
        self.assertHit(self.run_t())
        self.assertEqual(self.read('dist/d'), 'd\n')
        self.assertFalse((self.workspace / 'scratch').exists())

    def test_variable_that_the_task_does_not_have_is_served_and_tracked(self):
        self.script(f'echo "own=$HIDDEN"; {VT} report get-env HIDDEN\n'
                    f'{VT} report get-env NONE || echo unset\n'
                    f'{VT} report get-envs --prefix HID_')
        one = self.run_t(env={'HIDDEN': 'one', 'HID_A': 'a'})
        self.assertFirst(one)
        self.assertIn('own=\none\nunset\nHID_A=a\n', one.out)
        self.assertHit(self.run_t(env={'HIDDEN': 'one', 'HID_A': 'a'}))
        two = self.run_t(env={'HIDDEN': 'two', 'HID_A': 'a'})
        self.assertMiss("env 'HIDDEN' changed", two)
        self.assertIn('own=\ntwo\n', two.out)
        three = self.run_t(env={'HIDDEN': 'two', 'HID_A': 'a', 'NONE': 'x'})
        self.assertRan(three)
        self.assertIn("'NONE'", three.out)
        self.assertHit(self.run_t(env={'HIDDEN': 'two', 'HID_A': 'a'}))

    def test_value_that_changes_makes_another_result(self):
        self.write('mode', 'a')
        self.script(f'{VT} report ignore-input mode\n'
                    f'{VT} report track-value mode "$(cat mode)"; echo ran')
        self.assertFirst(self.run_t())
        self.assertHit(self.run_t())

    def test_tracked_paths_count_although_nobody_declared_them(self):
        self.write('in.txt', '1')
        self.write('t.sh', f'{VT} report track-input in.txt; echo made > out.txt;'
                           f'{VT} report track-output out.txt /elsewhere')
        self.package({'t': {'command': 'sh t.sh',
                            'cache': {'input': ['t.sh'], 'output': []}}})
        self.assertFirst(self.run_t())
        (self.workspace / 'out.txt').unlink()
        self.assertHit(self.run_t())
        self.assertEqual(self.read('out.txt'), 'made\n')
        details = self.run_t('-vv').out
        self.assertRegex(details, r"'in\.txt' ← \S*vt \[\d+\]")
        self.assertRegex(details, r"'out\.txt' ← \S*vt \[\d+\]")
        self.assertRegex(details, r"'t\.sh' ← declared")
        self.assertIn("track output '/elsewhere' (outside the workspace)", details)
        self.write('in.txt', '2')
        self.assertMiss("'in.txt' modified", self.run_t())

    def test_details_list_reports_that_came_to_nothing(self):
        self.script(f'{VT} report ignore-input unused /elsewhere\n'
                    f'{VT} report get-env --untracked SOME || true')
        details = self.run_t('-vv').out
        self.assertRegex(details, r"ignore input '\S+/unused' \(matched nothing\) ← ")
        self.assertIn("ignore input '/elsewhere' (outside the workspace)", details)
        self.assertIn("env 'SOME' (not counted)", details)
        plan = json.loads(self.vt('run', '--dry-run', '--json', '-vv', 't').out)
        step, = plan['plan']['t']['steps']
        reports = step['cache']['baseline']['reports']
        self.assertEqual([(r['kind'], r['effect'], r['source']) for r in reports],
                         [('ignoreInput', 'matchedNothing', 'tool'),
                          ('ignoreInput', 'outside', 'tool'),
                          ('env', 'notCounted', 'tool')])

    def test_disabled_run_is_not_stored_and_says_why(self):
        self.script(f'{VT} report disable-cache "it looks at the moon"')
        first = self.run_t()
        self.assertIn('it looks at the moon', first.out + first.err)
        second = self.run_t()
        self.assertNotIn('cache hit', second.out)

    def test_outside_of_a_run_it_does_nothing(self):
        self.package({})
        self.assertOk(self.vt('report', 'ignore-input', '/x'))
        self.assertOk(self.vt('report', 'disable-cache'))
        shown = self.vt('report', 'get-env', 'SEEN', env={'SEEN': 'yes'})
        self.assertEqual((shown.code, shown.out), (0, 'yes\n'))
        self.assertEqual(self.vt('report', 'get-env', 'UNSEEN').code, 1)
        self.assertEqual(self.daemons(), {})

    def test_command_lines_that_make_no_sense(self):
        self.package({})
        for argv in (['ignore-input'], ['track-value', 'k'], ['get-env'],
                     ['get-env', '--prefix', 'X'], ['nonsense'],
                     ['disable-cache', 'a', 'b'], []):
            got = self.vt('report', *argv)
            self.assertEqual(got.code, 2, argv)
            self.assertIn('--help', got.err)
        self.assertIn('Usage: vt report', self.vt('report', '--help').out)


class InstalledLibraryTest(VtTest):

    SOURCE = ('#include <vtask/client.h>\n'
              'int main(void) {\n'
              '  vtask_client *c = vtask_client_open();\n'
              '  int r = vtask_client_ignore_input(c, "noise");\n'
              '  vtask_client_close(c);\n'
              '  return r;\n}\n')

    def check(self, program):
        self.write('noise', '1')
        self.write('t.sh', f'{program} && cat noise\n')
        self.package({'t': 'sh t.sh'})
        self.assertFirst(self.vt('run', 't'))
        self.write('noise', '2')
        self.assertHit(self.vt('run', 't'))

    def run_tool(self, *command, **options):
        subprocess.run(command, check=True, cwd=self.workspace,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       **options)

    def test_c_program_found_by_pkg_config(self):
        self.write('t.c', self.SOURCE)
        self.run_tool('sh', '-c', 'cc -o t t.c $(pkg-config --cflags --libs '
                      f'vtask_client) -Wl,-rpath,{DIST}/lib',
                      env={'PKG_CONFIG_PATH': f'{DIST}/lib/pkgconfig',
                           'PATH': '/usr/bin:/bin'})
        self.check('./t')

    def test_c_program_found_by_cmake(self):
        self.write('t.c', self.SOURCE)
        self.write('CMakeLists.txt',
                   'cmake_minimum_required(VERSION 3.20)\nproject(t C)\n'
                   'find_package(vtask_client REQUIRED CONFIG)\n'
                   'add_executable(t t.c)\n'
                   'target_link_libraries(t vtask::client_static)\n')
        self.run_tool('cmake', '-S', '.', '-B', 'out',
                      f'-DCMAKE_PREFIX_PATH={DIST}')
        self.run_tool('cmake', '--build', 'out')
        self.check('./out/t')

    def test_python_module(self):
        self.write('t.py', 'import sys\n'
                   f'sys.path.insert(0, {str(DIST / "share/vtask/python")!r})\n'
                   'sys.dont_write_bytecode = True\n'
                   'import vtask_client\n'
                   'with vtask_client.Client() as client:\n'
                   '    assert client.is_active, client.error\n'
                   '    client.ignore_input("noise")\n')
        self.check('python3 t.py')

    def test_python_module_has_the_positive_hints(self):
        self.write('seen', '1')
        self.write('t.py', 'import sys\n'
                   f'sys.path.insert(0, {str(DIST / "share/vtask/python")!r})\n'
                   'sys.dont_write_bytecode = True\n'
                   'import vtask_client\n'
                   'open("made", "w").write("made")\n'
                   'with vtask_client.Client() as client:\n'
                   '    client.track_input("seen")\n'
                   '    client.track_output("made")\n'
                   '    client.track_value("mode", b"a")\n'
                   '    if client.get_env("OUT"):\n'
                   '        client.disable_cache("OUT is set")\n')
        self.package({'t': {'command': 'python3 t.py',
                            'cache': {'input': ['t.py'], 'output': []}}})
        self.assertFirst(self.vt('run', 't'))
        (self.workspace / 'made').unlink()
        self.assertHit(self.vt('run', 't'))
        self.assertEqual(self.read('made'), 'made')
        self.write('seen', '2')
        self.assertMiss("'seen' modified", self.vt('run', 't'))
        for _ in range(2):
            self.assertIn('opted out of caching: OUT is set',
                          self.assertRan(self.vt('run', 't', env={'OUT': '1'})).out)
