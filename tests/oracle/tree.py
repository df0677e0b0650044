# SPDX-License-Identifier: Apache-2.0
"""A folder as a value, and edits of it.

A tree is {path: (kind, mode, content)}: kind 'f', 'd', 'l' or '?', mode the permission
bits (0 for links), content the bytes or the text of a link.
"""
import contextlib
import os
import shutil
import stat


def read_tree(root):
    found = {}
    _read(root, '', found)
    return found


def _read(root, prefix, found):
    with os.scandir(os.path.join(root, prefix)) as entries:
        for entry in entries:
            path = prefix + entry.name
            info = entry.stat(follow_symlinks=False)
            mode = stat.S_IMODE(info.st_mode)
            if stat.S_ISLNK(info.st_mode):
                found[path] = ('l', 0, os.readlink(entry.path).encode())
            elif stat.S_ISREG(info.st_mode):
                with open(entry.path, 'rb') as file:
                    found[path] = ('f', mode, file.read())
            elif stat.S_ISDIR(info.st_mode):
                found[path] = ('d', mode, b'')
                _read(root, path + '/', found)
            else:
                found[path] = ('?', mode, b'')


def changes(old, new):
    """[(path, value before or None, value after or None)], sorted."""
    return [(path, old.get(path), new.get(path))
            for path in sorted({*old, *new}) if old.get(path) != new.get(path)]


def remove(path):
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def make_directory(root, path):
    """Directories all the way to `path`; what is in the way is removed."""
    at = root
    for name in filter(None, path.split('/')):
        at = os.path.join(at, name)
        try:
            if stat.S_ISDIR(os.lstat(at).st_mode):
                continue
            os.unlink(at)
        except FileNotFoundError:
            pass
        os.mkdir(at)


def put(root, path, value):
    """Makes `path` be `value`, in place if a file is there already."""
    kind, mode, content = value
    full = os.path.join(root, path)
    make_directory(root, os.path.dirname(path))
    if kind == 'd':
        make_directory(root, path)
        os.chmod(full, mode)
        return
    if os.path.isdir(full) or os.path.islink(full) or kind == 'l':
        remove(full)
    if kind == 'l':
        os.symlink(content.decode(), full)
        return
    with open(full, 'wb') as file:
        file.write(content)
    os.chmod(full, mode)


def make_equal(root, old, new):
    """Turns the folder `root`, which is `old`, into `new`."""
    todo = changes(old, new)
    for path, before, after in reversed(todo):
        if after is None or before is not None and before[0] != after[0]:
            remove(os.path.join(root, path))
    for path, before, after in todo:
        if after is not None:
            put(root, path, after)


def text_of(value):
    if value is None:
        return 'nothing'
    kind, mode, content = value
    return f'{kind} {mode:03o} {content[:200]!r}'
