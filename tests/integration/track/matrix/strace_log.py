# SPDX-License-Identifier: Apache-2.0
"""Reads what `strace -f -y -xx` wrote: system calls with their names as bytes,
and the working directory of whoever made them."""
import os
import re

# What can name a path, or move what relative names start at. "?": strace may be
# too old to know it.
CALLS = ('%file', 'fchdir', 'fchmod', 'fchown', 'fsetxattr', 'fremovexattr',
         'inotify_add_watch', 'fanotify_mark', 'name_to_handle_at',
         'open_by_handle_at', 'bind', 'connect', 'clone', '?clone3', '?fork',
         '?vfork', '?openat2', '?faccessat2', '?fchmodat2', '?renameat2')
OPTIONS = ['-f', '-y', '-xx', '-s', '4096', '-e', 'trace=' + ','.join(CALLS),
           '-e', 'signal=none']

_LINE = re.compile(rb'^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(?:<((?:\\x..)*)>'
                   rb'(\(deleted\))?)?(?: ([A-Z0-9]+))?', re.S)
_UNFINISHED = b' <unfinished ...>'
_RESUMED = re.compile(rb'^(\d+) +<\.\.\. \w+ resumed>(.*)$', re.S)
_DESCRIPTOR = re.compile(rb'^(-?\d+|AT_FDCWD)(?:<((?:\\x..)*)>(\(deleted\))?)?$')
_FORKS = (b'clone', b'clone3', b'fork', b'vfork')


def unescape(text):
    return bytes.fromhex(text.replace(b'\\x', b'').decode())


def _split(text):
    """Arguments. Strings are hexadecimal, so commas and brackets are strace's."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in b'{[(':
            depth += 1
        elif c in b'}])':
            depth -= 1
        elif c == 0x2c and depth == 0:  # ','
            parts.append(text[start:i].strip())
            start = i + 1
    parts.append(text[start:].strip())
    return parts


class Call:
    """One system call that has ended. `cwd`: None if it cannot be known."""

    def __init__(self, pid, name, args, result, error, result_path):
        self.pid, self.name, self.args = pid, name, args
        self.result, self.error, self.result_path = result, error, result_path
        self.cwd = None
        # The directory was removed, and was called that: only ".." leads on.
        self.lost_cwd = None

    @property
    def ok(self):
        return self.error is None

    def string(self, index):
        """The bytes of a string argument; None: NULL or a bad pointer."""
        arg = self.args[index] if index < len(self.args) else b''
        return unescape(arg[1:-1]) if arg[:1] == b'"' and arg[-1:] == b'"' else None

    def descriptor(self, index):
        """(number or 'AT_FDCWD', path or None if it has none)."""
        match = _DESCRIPTOR.match(self.args[index])
        if not match:
            return None, None
        number = 'AT_FDCWD' if match[1] == b'AT_FDCWD' else int(match[1])
        path = unescape(match[2]) if match[2] is not None else None
        if path is not None and (path[:1] != b'/' or match[3] or
                                 path.endswith(b' (deleted)')):
            path = None
        return number, path

    def flags(self, index):
        if index >= len(self.args):
            return set()
        return set(self.args[index].decode('latin-1').split('|'))

    def __repr__(self):
        shown = [unescape(a[1:-1]) if a[:3] == b'"\\x' else a for a in self.args]
        return f'{self.pid} {self.name}({shown}) = {self.result} {self.error}'


def _joined(log):
    """Lines with the two halves of interrupted ones put together, at the place
    of their end; also, at its beginning, the first half of a fork."""
    pending = {}
    for line in log.split(b'\n'):
        pid = line.split(b' ', 1)[0]
        if line.endswith(_UNFINISHED):
            pending[pid] = line[:-len(_UNFINISHED)]
            continue
        resumed = _RESUMED.match(line)
        if resumed:
            line = pending.pop(pid, b'') + resumed[2]
        yield line


class _Directory:
    """A working directory, shared by threads."""

    def __init__(self, path):
        self.path, self.lost = path, None


def _parents(log):
    """{child: (parent, shares its working directory)}."""
    found = {}
    for line in _joined(log):
        match = _LINE.match(line)
        if match and match[2] in _FORKS and match[4] not in (b'?', b'-1'):
            found[match[4]] = (match[1], b'CLONE_FS' in match[3])
    return found


def read(log, start, realpath=os.path.realpath):
    """Yields the calls of a log, in the order in which they ended. `start`: the
    first process's directory. `realpath` resolves a name of chdir."""
    parents, directories = _parents(log), {}

    def directory_of(pid):
        if pid not in directories:
            parent, shares = parents.get(pid, (None, False))
            if parent is None:
                directories[pid] = _Directory(start)
            else:
                above = directory_of(parent)
                directories[pid] = above if shares else _Directory(above.path)
                directories[pid].lost = above.lost
        return directories[pid]

    # strace lists a child's first call perhaps before its parent's clone ends,
    # so who is whose child is known from a first pass.
    for line in _joined(log):
        match = _LINE.match(line)
        if not match:
            continue
        pid, name = match[1], match[2].decode()
        error = match[7].decode() if match[4] == b'-1' and match[7] else None
        if match[4] == b'?' or (match[4] == b'-1' and error is None):
            error = 'KILLED'  # or to be restarted: the kernel's own numbers
        path = unescape(match[5]) if match[5] is not None and not match[6] else b''
        call = Call(pid, name, _split(match[3]), match[4], error,
                    path if path[:1] == b'/' else None)
        directory = directory_of(pid)
        for index, arg in enumerate(call.args):
            if arg.startswith(b'AT_FDCWD<'):
                # The kernel's word; None if it was deleted.
                directory.path = call.descriptor(index)[1]
                directory.lost = None if directory.path else \
                    unescape(_DESCRIPTOR.match(arg)[2]).removesuffix(b' (deleted)')
                break
        call.cwd, call.lost_cwd = directory.path, directory.lost
        yield call
        if match[2] in _FORKS and call.ok:
            directory_of(match[4])  # as it is now
        elif name == 'chdir' and call.ok:
            target = call.string(0)
            if directory.path is None and target.startswith(b'..'):
                target = os.path.dirname(directory.lost or b'/') + target[2:]
            directory.path = realpath(os.path.join(directory.path or b'/', target))
        elif name == 'fchdir' and call.ok:
            directory.path = call.descriptor(0)[1]
