# SPDX-License-Identifier: Apache-2.0
"""Tools in a sandbox that denies Unix sockets: they talk through named pipes
(tool endpoint, D1)."""
from tool_task import ToolTest
from vtask_e2e import DIST

# Runs its arguments where socket(AF_UNIX, …) fails with EPERM.
DENY = """
import ctypes, os, struct, sys

def op(code, jt, jf, k):
    return struct.pack('HBBI', code, jt, jf, k)

code = (op(0x20, 0, 0, 0) + op(0x15, 0, 3, 41)       # nr == socket?
        + op(0x20, 0, 0, 16) + op(0x15, 0, 1, 1)     # args[0] == AF_UNIX?
        + op(0x06, 0, 0, 0x00050001) + op(0x06, 0, 0, 0x7fff0000))
buffer = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(
    struct.pack('HxxxxxxP', 6, ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program) == 0, ctypes.get_errno()
try:
    import socket
    socket.socket(socket.AF_UNIX)
    sys.exit('the sandbox leaks')
except PermissionError:
    pass
os.execvp(sys.argv[1], sys.argv[1:])
"""


class SandboxTest(ToolTest):

    def test_addon_works_without_unix_sockets(self):
        self.write('deny.py', DENY)
        self.write('noise', '1')
        self.write('in', '1')
        self.script("""
          ignoreInput('noise');
          read('noise'); read('in');
          say([getEnv('PROBE'), getEnvs('PRO*')]);
        """, command='python3 deny.py node t.mjs')
        self.assertEqual(self.said_once(self.t(PROBE='1')), ['1', {'PROBE': '1'}])
        self.assertHit(self.t(PROBE='1'))
        self.write('noise', '2')
        self.assertHit(self.t(PROBE='1'))
        self.assertMiss("env 'PROBE' changed", self.t(PROBE='2'))
        self.write('in', '2')
        self.assertMiss("'in' modified", self.t(PROBE='2'))

    def test_report_works_without_unix_sockets(self):
        self.write('deny.py', DENY)
        self.package({'t': f'python3 deny.py {DIST}/bin/vt report '
                           'disable-cache "it is in a sandbox"'})
        self.assertNotStored('it is in a sandbox')
