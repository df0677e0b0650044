# SPDX-License-Identifier: Apache-2.0
"""One workspace under test, and its double in which the truth is found.

Lab.step does the edits, runs the tasks in a copy without the cache, then with
it in the workspace, and compares. A wrong hit raises Wrong.

What stands at a path that a task only writes is no input (R-OUTF-2), and neither
is its own earlier product (decisions H4). So what is right is what a run makes of
the tree as it is, or if the action finds such leftovers missing. Beside that, a hit leaves
what it does not know in a directory that the task refills (R-CACHE-16).
"""
import collections
import dataclasses
import difflib
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time

import generate
import tree

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIST = pathlib.Path(os.environ.get('VT_TEST_DIST', ROOT / 'build/release/dist'))
PROGRAMS = pathlib.Path(os.environ.get('VT_TEST_ORACLE', DIST.parent / 'tests/oracle'))

STATUS = re.compile(r' (?:◉ cache hit, replaying|○ cache miss: .*, executing|⊘ cache disabled)$')
HIT = '◉ cache hit, replaying'
LIMIT_S = 60


def programs():
    return [str(PROGRAMS / 'vt_act_static'), str(PROGRAMS / 'vt_act')]


class Wrong(Exception):
    """The cache and the truth differ."""


@dataclasses.dataclass
class Action:
    """One command of a run under test."""
    line: str  # `~/packages/p0$ …`
    is_hit: bool
    reason: str  # of the miss
    not_stored: str = ''

    @property
    def what(self):
        """As of Seen."""
        where, _, words = self.line.removeprefix('~/').partition('$ ')
        return f'{where}  {words.partition(" ")[2]}'

    def __str__(self):
        what = 'hit' if self.is_hit else f'ran, {self.reason or "first"}'
        return f'{self.line.replace(str(PROGRAMS) + "/", "")}: {what}; {self.not_stored}'


@dataclasses.dataclass
class Run:
    code: int
    out: str
    err: str
    actions: list


@dataclasses.dataclass
class Seen:
    """What vt_act told of one action in the double."""
    what: str  # directory and operations
    values: list
    kinds: list  # what stood at the paths that it looked at
    before: list  # what stood at the paths that it changed
    changed: list  # paths, relative to the root
    left: list  # what stands there in the end

    @property
    def cleared(self):
        """Directories, relative to the root, that it empties."""
        where, _, operations = self.what.partition('  ')
        return [os.path.normpath(os.path.join(where, operation[len('rmrf:'):]))
                for operation in operations.split(' ') if operation.startswith('rmrf:')]

    @property
    def replaced(self):
        """Paths at which something of another type stood before."""
        where = self.what.partition('  ')[0]
        left = dict(one.split(' ', 1) for one in self.left if not one.startswith('gone '))
        # The first is what the action found; what it changes again it has made.
        stood = dict(one.split(' ', 1) for one in reversed(self.before))
        return [path for path, kind in stood.items() if kind[1:2] in ('-', 'x')
                and left.get(os.path.normpath(os.path.join(where, path)), kind)[0] != kind[0]]

    @property
    def read(self):
        """Paths, relative to the root, that an operation reads."""
        where, _, operations = self.what.partition('  ')
        found = set()
        for operation in operations.split(' '):
            verb, _, path = operation.partition(':')
            if verb not in ('put', 'swap', 'script', 'mkdir', 'rmrf', 'rm', 'symlink'):
                found.add(os.path.normpath(os.path.join(where, path.split(':')[0])))
        return found


@dataclasses.dataclass
class Truth:
    run: Run
    tree: dict
    seen: list


def parse(code, out, err):
    body, _, summary = out.partition('\n━━━')
    actions, lines = [], []
    for line in body.split('\n'):
        status = STATUS.search(line)
        if '$ ' in line:
            reason = re.search(r'cache miss: (.*), executing$', line)
            line = STATUS.sub('', line)
            actions.append(Action(line, bool(status and HIT in status.group()),
                                  reason.group(1) if reason else ''))
        lines.append(line)
    # The summary lists them in the order in which they ended: one at a time.
    blocks = re.split(r'\n  \[\d+\] ', summary)[1:]
    for action, block in zip(actions, blocks):
        if note := re.search(r'→ Not cached: (.*)', block):
            action.not_stored = note.group(1)
    return Run(code, '\n'.join(lines).rstrip('\n'), err, actions)


def parse_log(text, root):
    actions = []
    for line in text.replace(f'{root}/', '').replace(f'{root} ', ' ').splitlines():
        kind, _, rest = line.partition(' ')
        if kind == 'a':
            actions.append(Seen(rest, [], [], [], [], []))
        elif kind == 'r':
            actions[-1].values.append(rest)
        elif kind == 'k':
            actions[-1].kinds.append(rest)
        elif kind == 'h':
            actions[-1].values.append(f'handed {rest}')
        elif kind == 'b':
            actions[-1].before.append(rest)
        elif kind == 'o':
            actions[-1].left.append(rest)
        elif kind == 'w':
            where, _, path = rest.partition(' ')
            actions[-1].changed.append(os.path.normpath(os.path.join(where, path)))
    return actions


class Lab:

    def __init__(self, files, tasks):
        # Of an action, the variables that count whether it asks for them or not.
        self.env_of = {
            f'{task.package}  {" ".join(step)}': task.env
            for task in tasks for step in task.steps if not isinstance(step, str)}
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix='vo.', dir='/tmp'))
        self.workspace, self.double = self.tmp / 'w', self.tmp / 't'
        self.log, self.clean = self.tmp / 'seen', self.tmp / 'clean'
        self.env = {
            'PATH': '/usr/local/bin:/usr/bin:/bin', 'HOME': str(self.tmp),
            'LANG': 'C.UTF-8', 'XDG_RUNTIME_DIR': str(self.tmp / 'r'),
            'XDG_CACHE_HOME': str(self.tmp / 'c'), 'XDG_STATE_HOME': str(self.tmp / 's'),
            'XDG_CONFIG_HOME': str(self.tmp / 'e'), 'VP_RUN_CONCURRENCY_LIMIT': '1'}
        self.workspace.mkdir()
        self.double.mkdir()
        for path, text in files.items():
            tree.put(self.workspace, path, ('f', 0o644, text.encode()))
        self.in_double = {}
        # What an action saw and left -> [(Seen, step)] when it was stored.
        self.known = collections.defaultdict(list)
        # (action, path) -> what it left there, ever.
        self.made = collections.defaultdict(set)
        self.counts = collections.Counter()
        self.needless, self.unstored = [], []
        self.seconds = 0.0  # what the last run took

    def close(self):
        self._vt(self.workspace, {}, 'daemon', 'stop', '--now')
        shutil.rmtree(self.tmp, ignore_errors=True)

    def _vt(self, where, env, *args):
        done = subprocess.run([DIST / 'bin/vt', *args], cwd=where, stdin=subprocess.DEVNULL,
                              env={**self.env, **env}, capture_output=True, timeout=LIMIT_S)
        return parse(done.returncode, done.stdout.decode('utf-8', 'backslashreplace'),
                     done.stderr.decode('utf-8', 'backslashreplace'))

    def step(self, step):
        """Returns the tree before the run."""
        for edit in step['edits']:
            generate.apply(edit, self.workspace)
        before = tree.read_tree(self.workspace)
        run = step['run']
        truth = self._truth(before, run)
        began = time.monotonic()
        real = self._vt(self.workspace, run['env'], 'run', '-v', *run['args'])
        self.seconds = time.monotonic() - began
        after = tree.read_tree(self.workspace)
        self.counts['steps'] += 1
        self._compare(before, run, truth, real, after)
        self._account(run, truth, real, after)
        return before

    def race(self, run, edits):
        """Runs while somebody edits; what comes of that is not judged. `edits` are
        [(seconds from the last one, edit)]."""
        def edit_all():
            for pause, edit in edits:
                time.sleep(pause)
                try:
                    generate.apply(edit, self.workspace)
                except OSError:
                    self.counts['collisions'] += 1  # with what the tasks do
        thread = threading.Thread(target=edit_all)
        thread.start()
        real = self._vt(self.workspace, run['env'], 'run', '-v', *run['args'])
        thread.join()
        self.counts['races'] += 1
        # What edits never write some task has made.
        products = {path: value for path, value in tree.read_tree(self.workspace).items()
                    if value[0] == 'f' and value[2].decode(errors='replace')
                    not in generate.TEXTS}
        for action in real.actions:
            if not action.is_hit:
                for path, value in products.items():
                    self.made[action.what, path].add(value)
        for action in real.actions:
            self.counts['raced hits' if action.is_hit else 'raced runs'] += 1
            self.counts['raced, not stored'] += bool(action.not_stored)

    def _truth(self, before, run, clean=()):
        """`clean`: [(action, paths that it is to find missing)]."""
        tree.make_equal(self.double, self.in_double, before)
        self.log.unlink(missing_ok=True)
        self.clean.write_text(''.join(
            f'K {self.double}/{what}\n' +
            ''.join(f'D {self.double}/{path}\n' for path in sorted(paths, reverse=True))
            for what, paths in clean))
        done = self._vt(self.double,
                        {**run['env'], 'VP_ORACLE_LOG': str(self.log),
                         'VP_ORACLE_CLEAN': str(self.clean)},
                        'run', '--no-cache', '-v', *run['args'])
        self.in_double = tree.read_tree(self.double)
        text = self.log.read_text(errors='replace') if self.log.exists() else ''
        return Truth(done, self.in_double, parse_log(text, self.double))

    # --- right or wrong -----------------------------------------------------

    def _compare(self, before, run, truth, real, after):
        problems = self._problems(before, truth, real, after)
        if not problems:
            return
        leftovers = [(seen.what, self._leftovers(before, seen))
                     for seen, action in zip(truth.seen, real.actions) if action.is_hit]
        leftovers = [one for one in leftovers if one[1]]
        for some in itertools.product((True, False), repeat=min(4, len(leftovers))):
            clean = [one for take, one in zip(some, leftovers) if take]
            if clean:
                other = self._truth(before, run, clean)
                if not self._problems(before, other, real, after):
                    self.counts['clean'] += 1
                    return
        raise Wrong('\n'.join([f'vt run {run}', *problems, *map(str, real.actions)]))

    def _leftovers(self, before, seen):
        found, read = set(), seen.read
        for path in seen.changed:
            value = before.get(path)
            if value and (value in self.made[seen.what, path] or
                          value[0] == 'f' and path not in read):
                found.add(path)
        # A directory of its own with nothing else in it goes as well.
        for path in sorted(found, reverse=True):
            if before[path][0] == 'd' and any(
                    p.startswith(path + '/') and p not in found for p in before):
                found.remove(path)
        return found

    def _problems(self, before, truth, real, after):
        problems = []
        if truth.run.code != real.code:
            problems.append(f'exit code {real.code}, should be {truth.run.code}')
        for name in ('out', 'err'):
            was, should = getattr(real, name), getattr(truth.run, name)
            if was != should:
                lines = difflib.unified_diff(should.split('\n'), was.split('\n'), 'truth',
                                             f'std{name}', lineterm='', n=0)
                problems += list(lines)
        hits = [seen for seen, action in zip(truth.seen, real.actions) if action.is_hit]
        removed = {path for seen in hits for path in seen.changed}
        cleared = tuple(path + '/' for seen in hits for path in seen.cleared)
        for path, good, bad in tree.changes(truth.tree, after):
            if (good is None and bad == before.get(path) and path in removed and
                    (bad[0] == 'f' or path.startswith(cleared))):
                self.counts['left'] += 1
                continue
            problems.append(f'{path} is {tree.text_of(bad)}, should be {tree.text_of(good)},'
                            f' was {tree.text_of(before.get(path))}')
        return problems

    # --- needless misses ----------------------------------------------------

    def _account(self, run, truth, real, after):
        if len(truth.seen) != len(real.actions):
            raise Wrong(f'{len(real.actions)} actions, should be {len(truth.seen)}')
        for seen, action in zip(truth.seen, real.actions):
            key = (seen.what, tuple(seen.values), tuple(sorted(set(seen.left))),
                   *(run['env'].get(name) for name in self.env_of.get(seen.what, ())))
            if action.is_hit:
                self.counts['hits'] += 1
                continue
            self.counts['misses' if action.reason else 'first'] += 1
            if key in self.known:
                self._needless(seen, action, self.known[key])
            if action.not_stored:
                self.counts['not stored'] += 1
                self.unstored.append((self.counts['steps'], action))
            elif real.code == 0:
                self.known[key].append((seen, self.counts['steps']))
                for path in seen.changed:
                    if path in after:
                        self.made[seen.what, path].add(after[path])

    def _needless(self, seen, action, known):
        """It saw the same before, and left the same. Says what differs: see
        docs/DEVELOPING.md."""
        looked, stood, step = min(
            ((sorted(set(old.kinds) ^ set(seen.kinds)),
              sorted(set(old.before) ^ set(seen.before)), step) for old, step in known),
            key=lambda one: len(one[0]) + len(one[1]))
        why = ('type' if looked else
               'before' if stood or seen.replaced else 'unexplained')
        self.counts['needless'] += 1
        self.counts[f'needless: {why}'] += 1
        self.needless.append((why, self.counts['steps'], step, action, looked or stood))
