# SPDX-License-Identifier: Apache-2.0
"""What the tracker has to say about a program, worked out from strace's log by the
table of docs/TRACKING.md: an implementation of the same rules that shares
nothing with the daemon's, and that knows how each call ended.

For each path two sets of words: `must`, what has to be there, and `may`, what is
explained. The words: content stat exists linktext listing executed lstat
(how it was looked at), missing, mutated, known (there is an entry at all).
"""
import collections
import os
import stat

import strace_log

PSEUDO = (b'/proc', b'/sys', b'/dev')
ANY = frozenset('content stat exists linktext listing executed lstat missing '
                'mutated'.split())
# The call was refused before a name was looked up, or because of an argument
# beside it: that the tracker noted the name all the same is no harm.
_UNCERTAIN = {'EFAULT', 'ENAMETOOLONG', 'EINVAL', 'EBADF', 'KILLED', 'ENOSYS',
              'EPERM', 'EINTR', 'ERESTARTSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EMFILE'}
_MAX_LINKS = 40

Node = collections.namedtuple('Node', 'type target')  # file directory symlink other


def _is_within(path, directory):
    return path == directory or path.startswith(directory.rstrip(b'/') + b'/')


def _parents_of(path):
    while len(path) > 1:
        path = os.path.dirname(path)
        yield path


def node_of(path):
    """The Node that the disk has at `path`, or None."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return Node('symlink', os.readlink(path))
    return Node('directory' if stat.S_ISDIR(mode) else
                'file' if stat.S_ISREG(mode) else 'other', None)


class Disk:
    """What stands where, as the calls of a log change it: what was below `root`
    before, what is elsewhere now, and the changes over both."""

    def __init__(self, root, before):
        self._root, self._before = root, before
        self._over, self._live = {}, {}

    def node(self, path):
        if path in self._over:
            return self._over[path]
        # What was changed as a whole has no old contents.
        if any(up in self._over for up in _parents_of(path)):
            return None
        if path == self._root:
            return Node('directory', None)
        if _is_within(path, self._root):
            return self._before.get(path)
        if path not in self._live:
            self._live[path] = node_of(path)
        return self._live[path]

    def put(self, path, node):
        self._over[path] = node

    def _below(self, path):
        prefix = path + b'/'
        names = [p for p in [*self._before, *self._over] if p.startswith(prefix)]
        return {p[len(path):]: self.node(p) for p in names}

    def move(self, source, target):
        node, below = self.node(source), {}
        if node.type == 'directory':
            below = self._below(source)
        self.put(source, None)
        self.put(target, node)
        for name, one in below.items():
            self._over.pop(source + name, None)
            self.put(target + name, one)

    def exchange(self, a, b):
        self.move(a, a + b'\0')
        self.move(b, a)
        self.move(a + b'\0', b)


class At:
    """Where a name leads: as daemon/track/resolve.h, in other words."""

    def __init__(self):
        self.links = []
        self.left = []  # directories that a link goes up from
        self.path = None  # None: no file that counts
        self.node = None
        self.first_missing = None
        self.is_blocked = False  # by a file that is no directory
        self.has_dots = False  # ".." behind the missing component
        self.ends_in_dot = False


def resolve(disk, name, follow):
    at, at_dir = At(), b''
    at.ends_in_dot = name.endswith(b'/.')
    pending = name.split(b'/')
    if name.endswith((b'/', b'/.')):
        follow = True
    pending = [p for p in pending if p not in (b'', b'.')]
    while pending:
        component = pending.pop(0)
        if component == b'..':
            if at.links and at_dir:
                at.left.append(at_dir)
            at_dir = os.path.dirname(at_dir) if at_dir else b''
            at_dir = b'' if at_dir == b'/' else at_dir
            continue
        here = at_dir + b'/' + component
        if any(_is_within(here, p) for p in PSEUDO):
            return at
        node = disk.node(here)
        rest = [p for p in pending if p != b'.']
        if node is None or (rest and node.type not in ('directory', 'symlink')):
            at.path = b'/'.join([here, *rest])
            at.has_dots = b'..' in rest
            if rest:
                at.first_missing, at.is_blocked = here, node is not None
            return at
        if node.type == 'symlink' and (rest or follow):
            at.links.append(here)
            if len(at.links) > _MAX_LINKS:
                return at
            if node.target[:1] == b'/':
                at_dir = b''
            pending = [p for p in node.target.split(b'/') if p not in (b'', b'.')] + rest
            continue
        at_dir = here
    at.path = at_dir or b'/'
    at.node = disk.node(at.path) if at_dir else Node('directory', None)
    if name.endswith(b'/.') and at.node.type != 'directory':
        at.node, at.first_missing, at.is_blocked = None, at.path, True
    return at


class Oracle:
    """Feed it calls; then `must` and `may`. `root`: the workspace. `before`: what
    was below `scratch`, which holds it, at the start."""

    def __init__(self, root, scratch, before):
        self.root = root
        self.disk = Disk(scratch, before)
        self.must = collections.defaultdict(set)
        self.may = collections.defaultdict(set)
        self.touched = {}  # path: what stood there before, or 'missing'
        self.doubts = []  # the log and the model of the disk disagree
        self._changed = set()  # stood there before, and its content is new
        self._made_directories = set()
        self._ensured = set()  # mkdir found them

    def read(self, log, cwd):
        for call in strace_log.read(
                log, cwd, lambda p: resolve(self.disk, p, True).path or p):
            self.handle(call)
        self._forgive_below_lost()

    def _forgive_below_lost(self):
        """A name was missing because its directory was; then this program made
        that, and it went again. Of the name nothing need be told: that the
        directory was missing must be, and whoever puts the name there has to
        put the directory there first. (The tracker cannot tell it from a name
        that was looked for in the directory that the program made, and which
        says nothing: it keeps no order.)"""
        for path in [p for p, words in self.must.items() if 'missing' in words]:
            for up in _parents_of(path):
                if (up in self._made_directories and self.disk.node(up) is None
                        and 'missing' in self.must.get(up, ())):
                    self.must[path] = set()
                    break

    # --- what is known ------------------------------------------------------

    def _is_below_own(self, path):
        return any(up in self._made_directories for up in _parents_of(path))

    def _is_own(self, path):
        return self.touched.get(path) == 'missing' or self._is_below_own(path)

    def _note(self, path, words, sure=True):
        self.may[path] |= words
        if self._is_own(path) or path in self._changed or not sure:
            return
        self.must[path] |= words

    def _note_way(self, call, at):
        for link in at.links:
            self._note(link, {'linktext'})
            if call.error == 'ELOOP':
                self.may[link].add('exists')
        for directory in at.left:
            if directory != self.root:
                self._note(directory, {'exists'}, sure=call.ok)

    def _observe(self, call, at, kind, sure=True):
        """`kind` of what `at` leads to, and what it tells of the way."""
        self._note_way(call, at)
        if at.path is None:
            return
        if call.error in _UNCERTAIN:
            sure = False
        found = at.node is not None
        if sure and call.error in (None, 'ENOENT', 'ENOTDIR', 'EEXIST') and (
                found != (call.error not in ('ENOENT', 'ENOTDIR'))) and not (
                found and call.error == 'ENOTDIR'):
            self.doubts.append(call)
            sure = False
            self.may[at.path] |= ANY
        # Of what is missing only the end counts, unless it cannot be named. What is
        # in the way does.
        if at.is_blocked:
            if self._is_own(at.first_missing):
                # Heard when that was removed, it is missing: true, and no harm.
                self.may[at.path] |= {kind, 'missing'}
                return
            self._note(at.first_missing, {'exists'}, sure)
            if at.path == at.first_missing:
                return  # "file/."
        elif at.has_dots:
            self._note(at.first_missing, {'exists', 'missing'}, sure)
        if at.has_dots:
            return
        if not found:
            self._note(at.path, {kind, 'missing'}, sure)
        else:
            if at.path in self._ensured and kind in ('stat', 'lstat', 'exists'):
                sure = False  # it would have made it: it learns nothing
            self._note(at.path, {_adjusted(kind, at.node.type)}, sure)

    def _note_no_directory(self, at):
        """Something could not be made: there is no directory for it."""
        if at.first_missing and not at.is_blocked and not at.has_dots:
            self._note(at.path if at.ends_in_dot else os.path.dirname(at.path),
                       {'exists', 'missing'})

    def _mutate(self, call, at, change):
        """`at` was changed, or an attempt failed; the caller moves the disk."""
        if at.path is None:
            self._note_way(call, at)
            return
        if not call.ok or at.first_missing:
            self.may[at.path] |= ANY
            if not at.first_missing:
                self.may[at.path] |= {'exists'}
                self._note_way(call, at)
                words = {'known'}
                if call.error == 'ENOENT' and at.node is None:
                    words = {'missing'}
                if (call.name in ('mkdir', 'mkdirat') and call.error == 'EEXIST' and
                        at.node is not None and at.node.type == 'directory'):
                    self._ensured.add(at.path)
                if (call.error not in _UNCERTAIN and not self._is_own(at.path) and
                        at.path not in self._changed):
                    self.must[at.path] |= words
            else:
                self._observe(call, at, 'exists')
                if change == 'create':
                    self._note_no_directory(at)
            return
        self._note_way(call, at)
        before = at.node.type if at.node else 'missing'
        self.touched.setdefault(at.path, before)
        if self._is_below_own(at.path):
            # It looked for what it then made.
            self.touched[at.path] = 'missing'
            self.must.pop(at.path, None)
        self.may[at.path] |= {'mutated', 'exists'}
        if self.touched[at.path] == 'missing':
            self.must[at.path].add('known')
        is_old = not self._is_own(at.path) and at.path not in self._changed
        goes_on = change in ('write', 'away') or (
            change == 'mode' and _is_within(at.path, self.root))
        if goes_on and before in ('file', 'symlink'):
            word = 'content' if before == 'file' else 'linktext'
            self.may[at.path].add(word)
            if is_old:
                self.must[at.path].add(word)
        if change != 'mode' and before != 'missing':
            self._changed.add(at.path)

    # --- calls --------------------------------------------------------------

    def _at(self, call, name_index, directory_index=None, follow=True,
            empty=False):
        """Resolves a name argument; None: it names nothing."""
        name = call.string(name_index)
        if name is None and not empty:
            return None
        if not name:
            if not empty:
                return None
            name = b''
        base = call.cwd
        if directory_index is not None and name[:1] != b'/':
            number, path = call.descriptor(directory_index)
            base = call.cwd if number == 'AT_FDCWD' else path
        if name[:1] != b'/':
            if base is None and call.lost_cwd and (
                    name == b'..' or name.startswith(b'../')):
                base, name = os.path.dirname(call.lost_cwd), name[3:] or b'.'
            if base is None:
                return None
            name = base + b'/' + name if name else base
        return resolve(self.disk, name, follow)

    def handle(self, call):
        name = call.name
        if name in _OBSERVERS:
            self._handle_observer(call, *_OBSERVERS[name])
        elif name in ('open', 'openat', 'openat2', 'creat'):
            self._handle_open(call)
        elif name in ('execve', 'execveat'):
            self._handle_exec(call)
        elif name in _CREATORS:
            self._handle_creator(call, *_CREATORS[name])
        elif name in _MODES:
            self._handle_mode(call, *_MODES[name])
        elif name in ('unlink', 'rmdir', 'unlinkat'):
            at = (self._at(call, 1, 0, False) if name == 'unlinkat' else
                  self._at(call, 0, None, False))
            if at:
                self._mutate(call, at, 'remove')
                if call.ok and at.path:
                    self.disk.put(at.path, None)
        elif name in ('rename', 'renameat', 'renameat2'):
            self._handle_rename(call)
        elif name in ('link', 'linkat'):
            self._handle_link(call)
        elif name in ('fchmod', 'fchown', 'fsetxattr', 'fremovexattr'):
            path = call.descriptor(0)[1]
            if path:
                self._mutate(call, resolve(self.disk, path, False), 'mode')
        elif name == 'truncate':
            at = self._at(call, 0)
            if at:
                self._mutate(call, at, 'replace' if call.args[1] == b'0' else 'write')
        elif name in ('bind', 'connect'):
            self._handle_socket(call)

    def _handle_observer(self, call, kind, name_index, directory_index,
                         flags_index):
        flags = call.flags(flags_index) if flags_index is not None else set()
        follow = kind not in ('lstat', 'linktext')
        if 'AT_SYMLINK_NOFOLLOW' in flags or 'IN_DONT_FOLLOW' in flags:
            follow, kind = False, 'lstat'
        if call.name == 'name_to_handle_at':
            follow = 'AT_SYMLINK_FOLLOW' in flags
            kind = 'stat' if follow else 'lstat'
        empty = 'AT_EMPTY_PATH' in flags or call.name == 'readlinkat'
        at = self._at(call, name_index, directory_index, follow, empty)
        if at is None:
            return
        sure = True
        if 'AT_EMPTY_PATH' in flags and directory_index is not None:
            # Rule R1 of docs/TRACKING.md: looks like fstat.
            sure = call.descriptor(directory_index)[0] == 'AT_FDCWD'
        self._observe(call, at, kind, sure)

    def _handle_open(self, call):
        if call.name in ('open', 'creat'):
            indices, flags = (0, None), call.flags(1)
        else:
            indices, flags = (1, 0), call.flags(2)
        if call.name == 'creat':
            flags = {'O_CREAT', 'O_WRONLY', 'O_TRUNC'}
        if call.name == 'openat2':
            text = call.args[2].split(b'flags=')[-1].split(b',')[0].strip(b'{}')
            flags = set(text.decode().split('|'))
        exclusive = {'O_CREAT', 'O_EXCL'} <= flags
        follow = 'O_NOFOLLOW' not in flags and not exclusive
        at = self._at(call, *indices, follow)
        if at is None:
            return
        if at.path is None and call.ok and call.result_path:
            # Through /proc/self/fd and the like: what the kernel says it is.
            at = resolve(self.disk, call.result_path, False)
            if at.path is None:
                return
            # The accelerator looks at such a name once more, to see the links
            # on the way.
            self.may[at.path].add('exists')
        self._open(call, at, flags, exclusive)

    def _open(self, call, at, flags, exclusive):
        if 'O_PATH' in flags:
            kind = 'lstat' if 'O_NOFOLLOW' in flags else 'stat'
            return self._observe(call, at, kind)
        if 'O_TMPFILE' in flags:
            return self._observe(call, at, 'exists')
        writes = 'O_WRONLY' in flags or 'O_RDWR' in flags
        if not writes and not flags & {'O_CREAT', 'O_TRUNC'}:
            kind = 'listing' if 'O_DIRECTORY' in flags else 'content'
            return self._observe(call, at, kind)
        if at.path is None or at.first_missing or not (call.ok or exclusive):
            if at.path is not None:
                self.may[at.path] |= ANY
                if 'O_CREAT' in flags:
                    self._note_no_directory(at)
            return self._observe(call, at, 'exists' if 'O_CREAT' in flags else 'content',
                                 sure=at.first_missing is not None)
        if exclusive:
            self._observe(call, at, 'exists', sure=not call.ok)
            if call.ok and not self._is_own(at.path) and \
                    at.path not in self._changed:
                self.must[at.path] |= {'exists', 'missing'}
        if not call.ok:
            self.may[at.path] |= ANY
            return None
        if at.node is None:
            if not exclusive and 'O_TRUNC' not in flags:
                self.may[at.path] |= {'content', 'missing'}
                if not self._is_own(at.path) and at.path not in self._changed:
                    self.must[at.path] |= {'content', 'missing'}
            self.may[at.path] |= {'missing'}
            self._mutate(call, at, 'create')
            self.disk.put(at.path, Node('file', None))
        elif at.node.type != 'file':
            self._observe(call, at, 'stat')
        elif 'O_TRUNC' in flags:
            self._mutate(call, at, 'replace')
        elif writes:
            self._mutate(call, at, 'write')
        else:
            self._observe(call, at, 'content')
        return None

    def _handle_exec(self, call):
        if call.name == 'execve':
            at = self._at(call, 0)
        else:
            flags = call.flags(4)
            at = self._at(call, 1, 0, 'AT_SYMLINK_NOFOLLOW' not in flags,
                          'AT_EMPTY_PATH' in flags)
        if at is None or at.path is None:
            return
        self.may[at.path] |= {'executed', 'content', 'stat'}
        if not call.ok:
            if at.node is None:
                self._observe(call, at, 'executed')
            else:
                self.must[at.path].add('known')
                self._note_way(call, at)
            return
        for _ in range(6):
            self._observe(call, at, 'executed')
            self._observe(call, at, 'content')
            interpreter = _interpreter(at.path)
            if interpreter is None:
                return
            if interpreter[:1] != b'/':
                interpreter = (call.cwd or b'') + b'/' + interpreter
            at = resolve(self.disk, interpreter, True)
            if at.path is None or at.node is None:
                return

    def _handle_creator(self, call, name_index, directory_index, kind):
        at = self._at(call, name_index, directory_index, False)
        if not at:
            return
        self._probe_new(call, at)
        self._mutate(call, at, 'create')
        if not call.ok or at.path is None:
            if call.error == 'EEXIST' and at.node and not self._is_own(at.path) \
                    and at.path not in self._changed:
                self.must[at.path].add('exists')
            return
        target = call.string(0) if kind == 'symlink' else None
        if kind == 'node':
            is_file = b'S_IFREG' in call.args[name_index + 1] or \
                b'S_IF' not in call.args[name_index + 1]
            kind = 'file' if is_file else 'other'
        self.disk.put(at.path, Node(kind, target))
        if kind == 'directory' and self.touched.get(at.path) != 'directory':
            self._made_directories.add(at.path)

    def _probe_new(self, call, at):
        """A call that fails on what is there tells that nothing was."""
        if call.ok and at.path is not None and at.node is None:
            self._note(at.path, {'exists', 'missing'})

    def _handle_mode(self, call, name_index, directory_index, flags_index, follow):
        flags = call.flags(flags_index) if flags_index is not None else set()
        if 'AT_SYMLINK_NOFOLLOW' in flags:
            follow = False
        empty = 'AT_EMPTY_PATH' in flags or (
            directory_index is not None and call.args[name_index] == b'NULL')
        at = self._at(call, name_index, directory_index, follow, empty)
        if at:
            self._mutate(call, at, 'mode')

    def _handle_rename(self, call):
        if call.name == 'rename':
            source, target = self._at(call, 0, None, False), self._at(call, 1, None, False)
        else:
            source, target = self._at(call, 1, 0, False), self._at(call, 3, 2, False)
        if not source or not target:
            return
        exchange = 'RENAME_EXCHANGE' in call.flags(4)
        if 'RENAME_NOREPLACE' in call.flags(4) or (
                source.node and source.node.type == 'directory'):
            self._probe_new(call, target)
        was_own = source.path is not None and self._is_own(source.path)
        self._mutate(call, source, 'away')
        if not call.ok:
            self._observe(call, target, 'exists', sure=False)
            if source.node and not exchange:
                self._note_no_directory(target)
            if target.path is not None:
                self.may[target.path] |= ANY
            return
        if source.path == target.path or (
                source.node is target.node and not exchange):
            return  # two names of one file: nothing happens
        self._mutate(call, target,
                     'away' if exchange else 'overwrite' if target.node else 'create')
        if exchange:
            self.disk.exchange(source.path, target.path)
            return
        self.disk.move(source.path, target.path)
        if was_own and source.node.type == 'directory':
            self._made_directories.add(target.path)
            for path in [p for p in self.touched if p.startswith(source.path + b'/')]:
                path = target.path + path[len(source.path):]
                self.touched[path] = 'missing'
                self.may[path] |= {'mutated', 'exists'}
                if self.disk.node(path):
                    self.must[path].add('known')

    def _handle_link(self, call):
        if call.name == 'link':
            source, target = self._at(call, 0, None, False), self._at(call, 1, None, False)
        else:
            flags = call.flags(4)
            source = self._at(call, 1, 0, 'AT_SYMLINK_FOLLOW' in flags,
                              'AT_EMPTY_PATH' in flags)
            target = self._at(call, 3, 2, False)
        if source:
            is_link = source.node is not None and source.node.type == 'symlink'
            self._observe(call, source, 'linktext' if is_link else 'content',
                          sure=call.ok)
            if source.path is not None and not call.ok:
                self.may[source.path] |= ANY
        if target:
            self._probe_new(call, target)
            self._mutate(call, target, 'create')
            if call.ok and target.path is not None:
                self.disk.put(target.path, source.node if source and source.node
                              else Node('file', None))

    def _handle_socket(self, call):
        text = call.args[1] if len(call.args) > 1 else b''
        if b'AF_UNIX' not in text or b'sun_path="' not in text:
            return
        name = strace_log.unescape(text.split(b'sun_path="')[1].split(b'"')[0])
        if name[:1] != b'/':
            name = (call.cwd or b'') + b'/' + name
        at = resolve(self.disk, name, call.name == 'connect')
        if call.name == 'bind':
            self._mutate(call, at, 'create')
            if call.ok and at.path is not None:
                self.disk.put(at.path, Node('other', None))
        elif at.path is not None:
            # Whether a service that is there counts is not for us to say, and
            # the harmless ones are not looked at.
            sure = at.node is None and not name.startswith(
                (b'/run/nscd/', b'/var/run/nscd/'))
            self.may[at.path] |= ANY
            if sure:
                self._observe(call, at, 'exists')


def _adjusted(kind, node_type):
    """What a look of this kind sees of a thing of that type."""
    if kind in ('content', 'executed') and node_type != 'file':
        return {'directory': 'listing', 'symlink': 'lstat'}.get(node_type, 'stat')
    if kind == 'listing' and node_type != 'directory':
        return 'exists'
    if kind == 'linktext' and node_type != 'symlink':
        return 'exists'
    return kind


def _interpreter(path):
    """Of a "#!" script or a dynamic program of 64 bits; None: it has none."""
    try:
        with open(path, 'rb') as file:
            head = file.read(1 << 16)
    except OSError:
        return None
    if head[:2] == b'#!':
        words = head[2:256].split(b'\n')[0].split()
        return words[0] if words else None
    if head[:5] != b'\x7fELF\x02':
        return None
    offset = int.from_bytes(head[32:40], 'little')
    size = int.from_bytes(head[54:56], 'little')
    for i in range(int.from_bytes(head[56:58], 'little')):
        segment = head[offset + i * size:offset + (i + 1) * size]
        if segment[:4] == b'\x03\0\0\0':  # PT_INTERP
            start = int.from_bytes(segment[8:16], 'little')
            end = start + int.from_bytes(segment[32:40], 'little')
            return head[start:end].rstrip(b'\0')
    return None


# name: (kind, index of the name, of its directory, of the flags)
_OBSERVERS = {
    'stat': ('stat', 0, None, None),
    'lstat': ('lstat', 0, None, None),
    'newfstatat': ('stat', 1, 0, 3),
    'statx': ('stat', 1, 0, 2),
    'access': ('exists', 0, None, None),
    'faccessat': ('exists', 1, 0, None),
    'faccessat2': ('exists', 1, 0, 3),
    'readlink': ('linktext', 0, None, None),
    'readlinkat': ('linktext', 1, 0, None),
    'chdir': ('exists', 0, None, None),
    'statfs': ('exists', 0, None, None),
    'getxattr': ('stat', 0, None, None),
    'listxattr': ('stat', 0, None, None),
    'lgetxattr': ('lstat', 0, None, None),
    'llistxattr': ('lstat', 0, None, None),
    'inotify_add_watch': ('listing', 1, None, 2),
    'fanotify_mark': ('listing', 4, 3, None),
    'name_to_handle_at': ('lstat', 1, 0, 4),
}
# name: (index of the name, of its directory, what it makes)
_CREATORS = {
    'mkdir': (0, None, 'directory'),
    'mkdirat': (1, 0, 'directory'),
    'mknod': (0, None, 'node'),
    'mknodat': (1, 0, 'node'),
    'symlink': (1, None, 'symlink'),
    'symlinkat': (2, 1, 'symlink'),
}
# name: (index of the name, of its directory, of the flags, follows links)
_MODES = {
    'chmod': (0, None, None, True),
    'fchmodat': (1, 0, None, True),
    'fchmodat2': (1, 0, 3, True),
    'chown': (0, None, None, True),
    'lchown': (0, None, None, False),
    'fchownat': (1, 0, 4, True),
    'utime': (0, None, None, True),
    'utimes': (0, None, None, True),
    'futimesat': (1, 0, None, True),
    'utimensat': (1, 0, 3, True),
    'setxattr': (0, None, None, True),
    'lsetxattr': (0, None, None, False),
    'removexattr': (0, None, None, True),
    'lremovexattr': (0, None, None, False),
}
