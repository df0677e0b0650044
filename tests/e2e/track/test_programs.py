# SPDX-License-Identifier: Apache-2.0
"""Whatever a program is made of, what it reads and writes is seen."""
import shutil
import subprocess

from vtask_e2e import DEPS, VtTest, requires, timeout

COPY = r'''
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  char text[4096];
  int in = syscall(SYS_openat, AT_FDCWD, "in.txt", O_RDONLY);
  int out = syscall(SYS_openat, AT_FDCWD, "out.txt",
                    O_WRONLY | O_CREAT | O_TRUNC, 0644);
  long n = syscall(SYS_read, in, text, sizeof text);
  return in < 0 || out < 0 || syscall(SYS_write, out, text, n) != n;
}
'''


class ProgramsTest(VtTest):

    def setUp(self):
        super().setUp()
        self.write('in.txt', 'one')

    def check_copies(self, command):
        """`command` copies in.txt to out.txt."""
        self.package({'copy': command})
        self.assertFirst(self.vt('run', 'copy'))
        self.assertEqual(self.read('out.txt'), 'one')
        self.assertHit(self.vt('run', 'copy'))
        (self.workspace / 'out.txt').unlink()
        self.assertHit(self.vt('run', 'copy'))
        self.assertEqual(self.read('out.txt'), 'one')
        self.write('in.txt', 'two')
        self.assertMiss("'in.txt' modified", self.vt('run', 'copy'))
        self.assertEqual(self.read('out.txt'), 'two')
        self.write('in.txt', 'one')
        self.assertHit(self.vt('run', 'copy'))
        self.assertEqual(self.read('out.txt'), 'one')

    def compile(self, *compiler):
        source = self.write('copy.c', COPY)
        subprocess.run([*compiler, '-O', '-o', self.workspace / 'copy', source],
                       check=True)

    @requires('listener')
    def test_shell_with_redirections(self):
        self.check_copies("sh -c 'cat <in.txt >out.txt'")

    @requires('listener')
    def test_static_program_with_raw_system_calls(self):
        self.compile('gcc', '-static')
        self.check_copies('./copy')

    @requires('listener')
    def test_musl_program(self):
        if not shutil.which('musl-gcc'):
            self.skipTest('REQUIRES(musl-gcc): not installed')
        self.compile('musl-gcc', '-static')
        self.check_copies('./copy')

    @requires('listener')
    def test_node_with_threads_of_the_pool(self):
        self.write('copy.mjs', "import { readFile, writeFile } from 'node:fs/promises'\n"
                   "await writeFile('out.txt', await readFile('in.txt'))\n")
        self.check_copies('node copy.mjs')

    @requires('listener')
    def test_write_and_rename(self):
        self.check_copies("sh -c 'cp in.txt tmp.1 && mv tmp.1 out.txt'")

    @requires('listener')
    def test_deep_tree_of_processes(self):
        self.check_copies(
            "sh -c 'sh -c \"sh -c \\\"(cat in.txt) | cat >out.txt\\\"\"'")

    @requires('listener')
    def test_python_that_forks_without_exec(self):
        self.write('copy.py', 'import os\n'
                   'pid = os.fork()\n'
                   'if pid == 0:\n'
                   '    open("out.txt", "w").write(open("in.txt").read())\n'
                   '    os._exit(0)\n'
                   'os.waitpid(pid, 0)\n')
        self.check_copies('/usr/bin/python3 copy.py')

    @requires('listener')
    def test_changed_program_inside_the_workspace_misses(self):
        self.write('tool.sh', '#!/bin/sh\ncat in.txt\n', mode=0o755)
        self.package({'t': './tool.sh'})
        self.assertFirst(self.vt('run', 't'))
        self.assertHit(self.vt('run', 't'))
        self.write('tool.sh', '#!/bin/sh\ncat in.txt; echo more\n', mode=0o755)
        self.assertMiss("'tool.sh' modified", self.vt('run', 't'))

    @requires('listener')
    def test_changed_program_outside_the_workspace_misses(self):
        tool = self.home / 'tool'
        tool.write_text('#!/bin/sh\ncat in.txt\n')
        tool.chmod(0o755)
        self.package({'t': str(tool)})
        self.assertFirst(self.vt('run', 't'))
        self.assertHit(self.vt('run', 't'))
        tool.write_text('#!/bin/sh\ncat in.txt; echo more\n')
        self.assertIn('more', self.assertRan(self.vt('run', 't')).out)

    @requires('listener')
    @timeout(90)
    def test_tool_client_from_npm_is_heard(self):
        module = DEPS / 'node_modules/@voidzero-dev/vite-task-client'
        self.write('node_modules/.keep', '')
        shutil.copytree(module, self.workspace
                        / 'node_modules/@voidzero-dev/vite-task-client')
        self.write('ask.mjs', "import { getEnv, getEnvs, ignoreInput } from "
                   "'@voidzero-dev/vite-task-client'\n"
                   "import { readFileSync } from 'node:fs'\n"
                   "ignoreInput('ignored.txt')\n"
                   "readFileSync('ignored.txt')\n"
                   "console.log(getEnv('PROBE'), process.env.PROBE,"
                   " Object.keys(getEnvs({ prefix: 'MANY_' })).sort().join())\n")
        self.write('ignored.txt', 'x')
        self.package({'ask': 'node ask.mjs'})

        def ask(**env):
            return self.vt('run', 'ask', env=env)
        first = self.assertFirst(ask(PROBE='1', MANY_B='', MANY_A='x'))
        self.assertIn('1 undefined MANY_A,MANY_B\n', first.out)
        self.assertHit(ask(PROBE='1', MANY_A='x', MANY_B=''))
        self.write('ignored.txt', 'y')
        self.assertHit(ask(PROBE='1', MANY_A='x', MANY_B=''))
        self.assertMiss("env 'PROBE' changed", ask(PROBE='2', MANY_A='x', MANY_B=''))
        self.assertMiss("env 'MANY_C' added",
                        ask(PROBE='2', MANY_A='x', MANY_B='', MANY_C=''))
        self.assertHit(ask(PROBE='1', MANY_A='x', MANY_B=''))

    @requires('listener')
    def test_tool_that_opts_out_is_not_stored(self):
        module = DEPS / 'node_modules/@voidzero-dev/vite-task-client'
        shutil.copytree(module, self.workspace
                        / 'node_modules/@voidzero-dev/vite-task-client')
        self.write('out.mjs', "import { disableCache } from "
                   "'@voidzero-dev/vite-task-client'\ndisableCache()\n")
        self.package({'t': 'node out.mjs'})
        self.assertRan(self.vt('run', 't'))
        again = self.assertRan(self.vt('run', '-v', 't'))
        self.assertIn('Not cached: the task opted out of caching', again.out)
