# SPDX-License-Identifier: Apache-2.0
"""The GNU jobserver that tools in tasks may use, if the user wants it."""
import json
import pathlib
import unittest

from vtask_e2e import VtTest, requires

# Takes all tokens there are; gives them back unless told to die with them.
TOOL = '''
import os, re, sys
flags = os.environ.get('MAKEFLAGS')
if flags is None:
    sys.exit(print('no jobserver'))
found = re.fullmatch(r' -j(\\d+) --jobserver-auth=fifo:(.*)', flags)
if not found:
    sys.exit(print('flags', flags))
fifo = os.open(found[2], os.O_RDWR | os.O_NONBLOCK)
tokens = b''
try:
    while True:
        tokens += os.read(fifo, 1)
except BlockingIOError:
    pass
print('free', len(tokens), 'of', found[1], flush=True)
open('in.txt').read()
if 'die' in sys.argv:
    os.kill(os.getpid(), 9)
os.write(fifo, tokens)
'''


class JobserverTest(VtTest):

    def setUp(self):
        super().setUp()
        self.write('tool.py', TOOL)
        self.write('in.txt', '1\n')
        self.file = pathlib.Path(self.env['XDG_CONFIG_HOME'], 'vtask/config.json')
        self.file.parent.mkdir(parents=True)
        self.package({'tool': 'python3 tool.py', 'die': 'python3 tool.py die',
                      'own': {'command': 'python3 tool.py', 'env': ['MAKEFLAGS']},
                      'make': 'make'})

    def settings(self, **settings):
        self.file.write_text(json.dumps(settings))

    def test_there_is_none_unless_the_user_wants_it(self):
        self.assertIn('no jobserver', self.assertOk(self.vt('run', 'tool')).out)

    def test_tools_share_the_slots_that_are_free(self):
        self.settings(jobserver=True, machineConcurrency=3)
        self.assertIn('free 2 of 3', self.assertOk(self.vt('run', 'tool')).out)

    def test_neither_the_variable_nor_the_fifo_is_an_input(self):
        self.settings(jobserver=True, machineConcurrency=3)
        self.assertOk(self.vt('run', 'tool'))
        self.assertHit(self.vt('run', 'tool'))
        self.settings(jobserver=True, machineConcurrency=5)
        self.assertOk(self.vt('daemon', 'stop'))
        self.assertHit(self.vt('run', 'tool', env={'XDG_RUNTIME_DIR': str(self.tmp / 'q')}))
        self.assertOk(self.vt('daemon', 'stop', env={'XDG_RUNTIME_DIR': str(self.tmp / 'q')}))

    def test_tokens_of_a_tool_that_was_killed_come_back(self):
        self.settings(jobserver=True, machineConcurrency=3)
        died = self.vt('run', 'die')
        self.assertNotEqual(died.code, 0, f'\n{died}')
        self.assertIn('free 2 of 3', self.assertOk(self.vt('run', 'tool')).out)

    def test_the_users_own_flags_stay(self):
        self.settings(jobserver=True, machineConcurrency=3)
        ran = self.assertOk(self.vt('run', 'own', env={'MAKEFLAGS': ' -j7'}))
        self.assertIn('flags  -j7', ran.out)

    @requires('make_4_4')
    def test_make_takes_its_processes_from_it(self):
        self.settings(jobserver=True, machineConcurrency=3)
        # Each of two waits for the other: one alone would hang.
        self.write('Makefile', 'all: a b\n'
                               'a:\n\ttouch $@; while [ ! -e b ]; do :; done\n'
                               'b:\n\ttouch $@; while [ ! -e a ]; do :; done\n')
        self.assertOk(self.vt('run', 'make'))


if __name__ == '__main__':
    unittest.main()
