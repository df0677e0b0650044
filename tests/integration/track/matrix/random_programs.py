# SPDX-License-Identifier: Apache-2.0
"""Programs that nobody has thought of: a few names in two levels of directories,
and random calls on them, by one or more processes one after the other. The seed
says which."""
import os
import random

import rows

OPS = os.path.join(os.path.dirname(rows.PROGRAMS), 'vt_track_ops')

_TOP = ['a', 'b', 'c', 'd', 'l', 'm']
_NAMES = [*_TOP, *(f'{up}/{name}' for up in _TOP[2:] for name in ('a', 'b', 'd', 'l')),
          'c/d/a', 'c/d/b', 'd/../a', 'c/../d/b', 'l/.', './b', 'm/']
_TARGETS = ['a', 'b', 'c', 'd', 'l', 'd/a', 'c/d', '../a', '../b', '..', 'nowhere', '.']
# Verbs of ops.c by how often, and what comes behind the name.
_LOOKS = ['read', 'stat', 'lstat', 'access', 'list', 'readlink']
_CHANGES = ['write', 'append', 'update', 'exclusive', 'lock', 'unlink', 'mkdir',
            'rmdir', 'truncate', 'utimes', 'tmpfile']
_PAIRS = ['rename', 'rename', 'exchange', 'link']


def _op(dice):
    name = dice.choice(_NAMES)
    kind = dice.random()
    if kind < 0.4:
        return f'{dice.choice(_LOOKS)}:{name}'
    if kind < 0.7:
        return f'{dice.choice(_CHANGES)}:{name}:{dice.choice(("0", "1", "text"))}'
    if kind < 0.85:
        return f'{dice.choice(_PAIRS)}:{name}:{dice.choice(_NAMES)}'
    if kind < 0.92:
        return f'symlink:{dice.choice(_TARGETS)}:{name}'
    if kind < 0.95:
        return f'chmod:{name}:{dice.choice(("600", "644", "755"))}'
    return f'{dice.choice(("chdir", "fchdir", "openat"))}:{name}:a'


def _tree(dice):
    """What stands there before: a function that makes it."""
    plan = []
    for name in ['a', 'b', 'c', 'd', 'l', 'm', 'c/a', 'c/d', 'c/d/a', 'd/a', 'd/b']:
        is_directory = name in ('c', 'd', 'c/d') and dice.random() < 0.8
        kind = 'directory' if is_directory else dice.choice(
            ['file', 'file', 'link', None])
        plan.append((name, kind, dice.choice(_TARGETS)))

    def make(work):
        work = os.path.join(work, 'w')
        os.mkdir(work)
        for name, kind, target in plan:
            path = os.path.join(work, name)
            parent = os.path.dirname(path)
            if not os.path.isdir(parent) or os.path.realpath(parent) != parent:
                continue
            if kind == 'directory':
                os.mkdir(path)
            elif kind == 'link':
                os.symlink(target, path)
            elif kind == 'file':
                with open(path, 'w', encoding='utf-8') as file:
                    file.write(name)
    return make


def make_row(seed):
    """Which reasons are right the oracle does not know: an old directory may be
    renamed, and two names of one file look like somebody else's change."""
    dice = random.Random(seed)
    tree = _tree(dice)
    # So many calls, and the library asks for the arena.
    start = [OPS, *['stat:/'] * 8]
    commands = [' '.join([*start, *(_op(dice) for _ in range(dice.randint(2, 14)))])
                for _ in range(dice.randint(1, 3))]
    # Not at the top: a link may lead out of it, and there it would stay.
    script = '; '.join(['cd w', *commands])
    flaws = {'limit'}  # overwritten unread, then removed
    if 'rename' in script or 'exchange' in script:
        flaws |= {'incomplete', 'input changed'}
    if ' link:' in script:
        flaws.add('input changed')
    return rows.Row(f'random_{seed}', script, ['/bin/sh', '-c', script + '; :'],
                    setup=tree, may_flaws=flaws, attached=True)
