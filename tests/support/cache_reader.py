# SPDX-License-Identifier: Apache-2.0
"""Another reader of the cache, written from docs/CACHE_FORMAT.md and storage.proto
alone: it shares no code with vtask, and needs nothing but Python. The pairs of the
database come from vt_cache_dump (or from any other RocksDB reader)."""
import hashlib
import os
import pathlib
import shutil
import stat
import struct
import subprocess

PLACEHOLDER = bytes.fromhex('f1b1ee35983d338dcf3fbc2f312eb99e')
CONTENT, METADATA, EXISTENCE, LINK, LISTING, GLOB, EXECUTED, ENV = range(1, 9)
UMASK, PROGRAM = 12, 13
MISSING, FILE, DIRECTORY, SYMLINK, OTHER, SET, UNREADABLE, REBUILDABLE = range(1, 9)


# --- protocol buffers ---------------------------------------------------------

def fields(data):
    """{number: [values]}; numbers as int, the rest as bytes."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            value = varint()
        elif tag & 7 == 2:
            size = varint()
            value = data[at:at + size]
            assert len(value) == size
            at += size
        else:
            raise ValueError(f'wire type {tag & 7}')
        found.setdefault(tag >> 3, []).append(value)
    return found


def one(message, number, default=b''):
    return message.get(number, [default])[-1]


# --- walks --------------------------------------------------------------------

class Walk:
    def __init__(self):
        self.data = b''

    def b(self, tag, value):
        self.data += b'B' + struct.pack('<Q', len(tag)) + tag.encode()
        self.data += struct.pack('<Q', len(value)) + value
        return self

    def n(self, tag, value):
        self.data += b'N' + struct.pack('<Q', len(tag)) + tag.encode()
        self.data += struct.pack('<Q', value)
        return self

    def digest(self):
        return hashlib.sha256(self.data).digest()


def walk_globs(walk, globs):
    for glob in map(fields, globs):
        walk.b('glob.not' if one(glob, 2, 0) else 'glob', one(glob, 1))


def weak_fingerprint(description):
    d = fields(description)
    walk = Walk().n('format', 1).b('platform', one(d, 8)).b('program', one(d, 1))
    walk.n('args', len(d.get(2, [])))
    for arg in d.get(2, []):
        walk.b('arg', arg)
    walk.b('cwd', one(d, 3)).n('env', len(d.get(4, [])))
    for variable in map(fields, d.get(4, [])):
        walk.b('env.name', one(variable, 1)).n('env.present', one(variable, 2, 0))
        walk.b('env.value', one(variable, 3))
    walk.n('untracked_env', len(d.get(5, [])))
    for pattern in d.get(5, []):
        walk.b('untracked_env.pattern', pattern)
    for name, number in ((b'input', 6), (b'output', 7)):
        config = fields(one(d, number))
        walk.b('config', name).n('automatic', one(config, 1, 0))
        walk.n('globs', len(config.get(2, [])))
        walk_globs(walk, config.get(2, []))
    walk.n('track', one(d, 9, 0)).n('honor_opt_out', one(d, 10, 0))
    walk.n('share_root_only', one(d, 11, 0)).b('root', one(d, 12))
    walk.n('services', len(d.get(13, [])))
    for service in d.get(13, []):
        walk.b('service', service)
    walk.n('toolchain_executed', one(d, 14, 0))
    if one(d, 15, 0):
        walk.n('strict_tracking', 1)
    return walk.digest()


def path_set_digest(path_set):
    walk = Walk().n('format', 1)
    for o in map(fields, fields(path_set).get(1, [])):
        walk.n('kind', one(o, 1, 0)).b('path', one(o, 2))
        walk.n('rebuildable', one(o, 3, 0)).n('ignored', len(o.get(4, [])))
        for path in o.get(4, []):
            walk.b('path', path)
        walk_globs(walk, o.get(5, []))
    return walk.digest()


def strong_fingerprint(weak, path_set, values):
    walk = Walk().n('format', 1).b('weak', weak).b('path_set', path_set)
    walk.n('values', len(values))
    for value in map(fields, values):
        walk.n('type', one(value, 1, 0)).b('digest', one(value, 2))
        walk.n('mode', one(value, 3, 0)).n('size', one(value, 4, 0))
        walk.n('members', len(value.get(5, [])))
        for member in map(fields, value.get(5, [])):
            walk.b('name', one(member, 1)).n('type', one(member, 2, 0))
            walk.b('digest', one(member, 3))
    return walk.digest()


def root_id(root):
    return hashlib.sha256(root.encode()).digest()[:16]


def content_digest(root, data):
    root, out, at = root.encode(), b'', 0
    while len(root) >= 4:
        found = data.find(root, at)
        if found < 0:
            break
        end = found + len(root)
        behind = data[end:end + 1]
        if behind and (behind.isalnum() and behind.isascii() or behind in b'_.-'):
            out += data[at:found + 1]
            at = found + 1
        else:
            out += data[at:found] + PLACEHOLDER
            at = end
    return hashlib.sha256(out + data[at:]).digest()


# --- blobs --------------------------------------------------------------------

def lz4_block(data, out):
    at = 0

    def length(nibble):
        nonlocal at
        size = nibble
        while nibble == 15:
            size += data[at]
            at += 1
            if data[at - 1] != 255:
                break
        return size
    while at < len(data):
        token = data[at]
        at += 1
        size = length(token >> 4)
        out += data[at:at + size]
        at += size
        if at >= len(data):
            break
        offset = data[at] | data[at + 1] << 8
        at += 2
        for _ in range(length(token & 15) + 4):
            out.append(out[-offset])


def lz4_frame(data):
    """The LZ4 Frame Format, as far as blobs use it: no dictionary."""
    assert data[:4] == b'\x04\x22\x4d\x18'
    flags = data[4]
    at = 6 + (8 if flags & 8 else 0) + 1
    out = bytearray()
    while True:
        size, = struct.unpack_from('<I', data, at)
        at += 4
        if size == 0:
            break
        block = data[at:at + (size & 0x7fffffff)]
        at += len(block) + (4 if flags & 16 else 0)
        if size & 0x80000000:
            out += block
        else:
            lz4_block(block, out)
    return bytes(out)


class Cache:
    def __init__(self, directory, dump):
        self.directory = pathlib.Path(directory)
        self.umask = os.umask(0)
        os.umask(self.umask)
        text = subprocess.run([dump, self.directory / 'db'], check=True,
                              capture_output=True, text=True).stdout
        self.tables = {}
        for line in text.splitlines():
            table, key, value = (line.split(' ') + ['', ''])[:3]
            self.tables.setdefault(table, {})[bytes.fromhex(key)] = bytes.fromhex(value)
        assert self.tables['meta'][b'format'] == b'1'

    def blob(self, digest):
        name = digest.hex()
        data = (self.directory / 'blobs' / name[:2] / name[2:]).read_bytes()
        content = lz4_frame(data[1:]) if data[0] == 1 else data[1:]
        assert hashlib.sha256(content).digest() == digest, name
        return content

    # --- evaluating the present

    def value(self, observation, root, env, weak):
        """The fields of a Value, as a message; None: this reader cannot tell."""
        o = fields(observation)
        kind, name = one(o, 1, 0), one(o, 2).decode()
        if kind == UMASK:
            return message(SET, mode=self.umask)
        path = pathlib.Path(root, name)
        if kind == PROGRAM:
            found = shutil.which(name, path=':'.join(
                p for p in env.get('PATH', '').split(':') if p.startswith('/')
                and not pathlib.Path(os.path.normpath(p)).is_relative_to(root)))
            if not found:
                return message(MISSING)
            path, kind = pathlib.Path(found), EXECUTED
        if kind == ENV:
            if name not in env:
                return message(MISSING)
            return message(SET, hashlib.sha256(env[name].encode()).digest())
        if kind not in (CONTENT, METADATA, EXISTENCE, LINK, LISTING, EXECUTED):
            return None
        try:
            info = path.stat() if kind == EXECUTED else path.lstat()
        except OSError:
            return message(REBUILDABLE if one(o, 3, 0) else MISSING)
        data = path.read_bytes() if stat.S_ISREG(info.st_mode) else None
        digest = None
        if data is not None:
            digest = content_digest('' if kind == EXECUTED else root, data)
        elif stat.S_ISLNK(info.st_mode):
            digest = Walk().b('link', content_digest(
                root, os.readlink(path).encode())).digest()
        if one(o, 3, 0):
            own = fields(self.tables.get('own_outputs', {}).get(
                weak + name.encode(), b'')).get(1, [])
            if (digest and digest in own) or (stat.S_ISDIR(info.st_mode)
                                 and kind not in (CONTENT, LINK)):
                return message(REBUILDABLE)
        if data is not None:
            mode = info.st_mode & 0o100
            if kind == LINK:
                return message(FILE)
            if kind in (CONTENT, EXECUTED):
                return message(FILE, digest, mode)
            return message(FILE, mode=mode,
                           size=info.st_size if kind == METADATA else 0)
        if stat.S_ISLNK(info.st_mode):
            return message(SYMLINK, digest if kind == LINK else b'')
        if kind == LISTING:
            ignored = {p.decode() for p in o.get(4, [])}
            members = []
            for entry in sorted(os.scandir(path), key=lambda e: os.fsencode(e.name)):
                full = f'{name}/{entry.name}' if name else entry.name
                if full == '.git' or full in ignored or \
                        entry.name.startswith('.vtask-tmp-'):
                    continue
                kind_of = SYMLINK if entry.is_symlink() else \
                    DIRECTORY if entry.is_dir() else FILE
                members.append((entry.name.encode(), kind_of))
            return message(DIRECTORY, members=members)
        return message(DIRECTORY)

    def lookup(self, description, root, env):
        """The Result that this action finds now, as fields; None: a miss."""
        weak = weak_fingerprint(description)
        entry = fields(self.tables.get('weak', {}).get(weak, b''))
        for ref in map(fields, entry.get(1, [])):
            digest = one(ref, 1)
            observations = fields(self.tables['path_sets'][digest]).get(1, [])
            read = {one(fields(o), 2) for o in observations
                    if one(fields(o), 1, 0) == CONTENT and not one(fields(o), 3, 0)}
            values = []
            for o in observations:
                value = self.value(o, root, env, weak)
                assert value is not None, fields(o)
                f = fields(o)
                if one(f, 1, 0) == METADATA and one(f, 2) in read:
                    v = fields(value)
                    value = message(one(v, 1, 0), one(v, 2), one(v, 3, 0))
                values.append(value)
            strong = strong_fingerprint(weak, digest, values)
            for key in (strong + root_id(root), strong):
                if key in self.tables['results']:
                    return fields(self.tables['results'][key])
        return None

    def check(self):
        """Raises unless every record is what the document says. How many results
        there are."""
        for key, value in self.tables.get('path_sets', {}).items():
            assert path_set_digest(value) == key
        for value in self.tables.get('positions', {}).values():
            position = fields(value)
            assert weak_fingerprint(one(position, 1)) == one(position, 2)
        for key, value in self.tables.get('results', {}).items():
            result = fields(value)
            strong = strong_fingerprint(one(result, 1), one(result, 2),
                                        result.get(3, []))
            root = one(result, 11)
            assert key == strong + (root_id(root.decode()) if root else b'')
            assert len(fields(self.tables['path_sets'][one(result, 2)]).get(1, [])) \
                == len(result.get(3, []))
            for output in map(fields, result.get(4, [])):
                if one(output, 4):
                    assert len(self.blob(one(output, 4))) == one(output, 5, 0)
            usage = fields(self.tables['usage'][key])
            assert hashlib.sha256(value).digest() == one(usage, 2)
            self.log(result)
        return len(self.tables.get('results', {}))

    def log(self, result):
        data = self.blob(one(result, 6)) if one(result, 6) else one(result, 7)
        return [(one(c, 1, 0), one(c, 2)) for c in map(fields, fields(data).get(1, []))]


def message(kind, digest=b'', mode=0, size=0, members=()):
    """A Value, encoded."""
    def varint(value):
        out = b''
        while value > 127:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])

    def field(number, value):
        if isinstance(value, int):
            return varint(number << 3) + varint(value) if value else b''
        return varint(number << 3 | 2) + varint(len(value)) + value if value else b''
    out = field(1, kind) + field(2, digest or b'') + field(3, mode) + field(4, size)
    for name, member_kind in members:
        out += field(5, field(1, name) + field(2, member_kind))
    return out
