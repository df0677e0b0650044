#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ground truth of file tracking: programs that are run without us, under
strace, and under the tracker, and compared (docs/TRACKING.md, "Ground truth").

    run.py ROW...           these rows, in the modes that are quick to run
    run.py --all            every row in every mode; --table FILE writes the table
    run.py --rounds 200     every row that many times, two at once, each pair in
                            directories of its own: nothing of one may be seen in
                            the other, and both must be right
    run.py --random 500     as many programs of random calls, in the quick modes;
                            --seed N begins with that one
    run.py --list           names of the rows

Each row is right if under the tracker
  * its output, exit code and what it leaves on the disk are as without it,
  * every name that strace saw has been seen, with the right kinds; whatever else
    was seen is explained by a rule of oracle.py or `_explain`,
  * outputs and deletions are what a comparison of the disk before and after says,
  * its result would be stored, or is not for the expected reason.
Exit status 77: skipped, with the reason.
"""
import argparse
import concurrent.futures
import contextlib
import difflib
import hashlib
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

import oracle
import random_programs
import rows
import strace_log

PATIENCE_S = 120
PLACES = b'/tmp/vtm-'
_KINDS = {'content', 'stat', 'exists', 'linktext', 'listing', 'executed', 'lstat'}


class Skip(Exception):
    pass


class Tree:
    """What stands below a directory: for comparing before with after."""

    def __init__(self, top):
        self.nodes, self.identities = {}, {}
        for base, directories, files in os.walk(top):
            for name in [*directories, *files]:
                path = os.path.join(base, name)
                with contextlib.suppress(OSError):
                    info = os.lstat(path)
                    self.nodes[path] = oracle.node_of(path)
                    self.identities[path] = _identity(info)


def _identity(info):
    if stat.S_ISDIR(info.st_mode):
        return info.st_dev, info.st_ino, info.st_mode, info.st_uid, info.st_gid
    return (info.st_dev, info.st_ino, info.st_mode, info.st_uid, info.st_gid,
            info.st_size, info.st_mtime_ns)


def _content_of(path, info, place):
    """The same for the same run in another place."""
    if stat.S_ISLNK(info.st_mode):
        return os.readlink(path).replace(place.top, b'$TOP')
    if stat.S_ISREG(info.st_mode):
        with contextlib.suppress(OSError), open(path, 'rb') as file:
            return hashlib.sha1(
                file.read().replace(place.top, b'$TOP')).hexdigest()
    return ''


class Place:
    """A scratch directory for one run at a time: `work` is the workspace, with
    `home` and `tmp` beside it. All have names of the same length, so that the
    paths of one run fit another."""

    def __init__(self):
        self.top = os.fsencode(tempfile.mkdtemp(
            prefix=os.fsdecode(os.path.basename(PLACES)), dir='/tmp'))
        os.chmod(self.top, 0o755)
        self.work = self.top + b'/work'
        self.owner = None

    def fill(self, row):
        """As before the row's first run."""
        if row.keep and os.path.isdir(self.work):
            return
        for name in (b'work', b'home', b'tmp'):
            shutil.rmtree(os.path.join(self.top, name), ignore_errors=True)
            os.mkdir(os.path.join(self.top, name))
        for name, content in row.files.items():
            path = os.path.join(self.work, os.fsencode(name))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w', encoding='utf-8') as file:
                file.write(content)
        if row.setup:
            row.setup(os.fsdecode(self.work))
        if row.user:
            for base, directories, files in os.walk(self.top):
                for path in [base, *(os.path.join(base, f) for f in files)]:
                    if not os.lstat(path).st_mode & stat.S_ISUID:
                        os.lchown(path, row.user, row.user)

    def env(self, more):
        return {'PATH': '/usr/local/bin:/usr/bin:/bin', 'LANG': 'C.UTF-8',
                'HOME': os.fsdecode(self.top + b'/home'),
                'TMPDIR': os.fsdecode(self.top + b'/tmp'),
                **{k: self.fit(v) for k, v in more.items()}}

    def fit(self, text):
        return text.replace('{work}', os.fsdecode(self.work))

    def remove(self):
        shutil.rmtree(self.top, ignore_errors=True)


class Outcome:
    """What one run did, with the scratch directory's name taken out."""

    def __init__(self, row, place, code, out, err):
        self.code = code
        self.out, self.err = (self._clean(row, place, t) for t in (out, err))
        self.tree = {}
        for base, directories, files in os.walk(place.work):
            for name in sorted([*directories, *files]):
                path = os.path.join(base, name)
                with contextlib.suppress(OSError):
                    info = os.lstat(path)
                    shown = row.normal(path[len(place.work) + 1:])
                    if not row.is_volatile(shown):
                        self.tree[shown] = (oct(info.st_mode),
                                            _content_of(path, info, place))

    @staticmethod
    def _clean(row, place, text):
        text = text.replace(place.top, b'$TOP').decode('utf-8', 'replace')
        for pattern, by in row.output:
            text = re.sub(pattern, by, text)
        return text

    def differences(self, other, row):
        if self.code != other.code:
            yield f'exit code {other.code}, untraced {self.code}'
        for name in ('out', 'err'):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                lines = difflib.unified_diff(mine.splitlines(), theirs.splitlines(),
                                             'untraced', 'traced', lineterm='', n=1)
                yield f'std{name} differs:\n      ' + '\n      '.join(list(lines)[:12])
        for path in sorted(self.tree.keys() | other.tree.keys()):
            if self.tree.get(path) != other.tree.get(path):
                yield (f'{path!r} is {other.tree.get(path)}, untraced '
                       f'{self.tree.get(path)}')


def _run(argv, place, row, env=None):
    """Runs to the end; (code, stdout, stderr). Output goes to files: a process
    that is left behind must not hold us up."""
    paths = [os.path.join(place.top, n) for n in (b'stdout', b'stderr')]
    with open(paths[0], 'wb') as out, open(paths[1], 'wb') as err:
        process = subprocess.Popen(
            argv, cwd=place.work, env=place.env(row.env if env is None else env),
            stdin=subprocess.DEVNULL,
            stdout=out, stderr=err, start_new_session=True)
        try:
            code = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = 'hung'
    texts = [open(p, 'rb').read() for p in paths]
    return (128 - code if isinstance(code, int) and code < 0 else code), *texts


class Seen:
    """What the tracker said."""

    def __init__(self, path):
        self.paths, self.flaws, self.end = {}, [], None
        self.others = []  # what is said to be changed by others
        with open(path, 'rb') as file:
            fields = file.read().split(b'\0')[:-1]
        for kind, a, b, c in zip(*[iter(fields)] * 4):
            if kind == b'access':
                self.paths[a] = set(b.decode().split())
            elif kind == b'flaw':
                self.flaws.append((a.decode(), b.decode(), c))
            elif kind == b'others':
                self.others.append(a)
            elif kind == b'end':
                notified, signed = map(int, c.split())
                self.end = (int(a), b.decode(), notified, signed)


class Truth:
    """What strace says of a row; made once, used for all its runs."""

    def __init__(self, row, place):
        place.fill(row)
        self.top = place.top
        before = Tree(place.top)
        log = os.path.join(place.top, b'strace')
        argv = [*row.prefix(), 'strace', *strace_log.OPTIONS, '-o', log, '--',
                *row.command(place, prefix=False)]
        _run(argv, place, row, {**row.env, **row.strace_env})
        self.oracle = oracle.Oracle(place.work, place.top, before.nodes)
        with open(log, 'rb') as file:
            self.oracle.read(file.read(), place.work)
        os.remove(log)
        self.names = len([p for p in self.oracle.may if not _is_ours(p, place)])
        if self.names < 3:
            raise AssertionError('strace saw next to nothing: the test is broken')

    def words(self, which, place, row):
        """{path: words}, of `must` or `may`, as they are in that place."""
        found = {}
        for path, words in getattr(self.oracle, which).items():
            path = row.normal(path.replace(self.top, place.top))
            found.setdefault(path, set()).update(words)
        return found


def _is_ours(path, place):
    """What the harness itself put beside the workspace."""
    return path in (place.top + b'/stdout', place.top + b'/stderr',
                    place.top + b'/strace')


def _explain(path, mode):
    """Whether a path that strace did not see is there for a known reason."""
    # The accelerator's library is loaded under the tracker only, by way of a link.
    return mode.library is not None and path in (
        os.fsencode(mode.library), os.fsencode(os.path.realpath(mode.library)),
        os.fsencode(os.path.dirname(mode.library)))


def compare_sets(row, mode, place, truth, seen):
    """Yields what strace knows and the tracker does not, and the reverse."""
    must, may = truth.words('must', place, row), truth.words('may', place, row)
    for path, (word, other) in row.other_words(mode).items():
        path = os.path.join(place.work, os.fsencode(path))
        for words in (must[path], may[path]):
            words.discard(word)
            words.add(other)
    got = {}
    for path, words in seen.paths.items():
        got.setdefault(row.normal(path), set()).update(words)
    for path, words in row.knows.items():
        path = os.path.join(place.work, os.fsencode(path))
        may.setdefault(path, set()).update(words.split())
    for path, words in sorted(must.items()):
        missing = words - {'known'} - got.get(path, set())
        if 'missing' in words & got.get(path, set()):
            missing = set()  # however it was looked for
        if {'content', 'mutated'} <= got.get(path, set()):
            missing -= {'stat', 'lstat', 'exists'}  # content says all of that
        if path not in got and words or missing:
            yield f'missing {sorted(words)} of {path!r}; seen: {sorted(got.get(path, ()))}'
    for path, words in sorted(got.items()):
        words = words & (_KINDS | {'missing', 'mutated'})
        extra = words - may.get(path, set())
        if extra and not _explain(path, mode):
            yield f'not explained: {sorted(extra)} of {path!r}'


def compare_outputs(row, place, truth, before, seen):
    """Yields where outputs and deletions are not what the disk says."""
    after = Tree(place.work)
    def marked(word):
        return {p for p, words in seen.paths.items() if word in words}
    changed = {p for p, i in after.identities.items()
               if before.identities.get(p) != i and after.nodes[p].type != 'other'}
    gone = {p for p in before.identities if p.startswith(place.work + b'/')
            and p not in after.identities and before.nodes[p].type != 'other'}
    for path in sorted(changed - marked('output')):
        yield f'changed and no output: {path!r}'
    for path in sorted(marked('output') - changed):
        # A chmod there and back leaves a trace in ctime alone.
        if path not in before.identities or 'mutated' not in seen.paths[path]:
            yield f'output and not changed: {path!r}'
    if gone != marked('deleted'):
        yield f'deleted: {sorted(gone)}; said: {sorted(marked("deleted"))}'


class Mode:
    """A way of tracking. `library`: of the accelerator; None without."""

    def __init__(self, name, options, library=None):
        self.name, self.options, self.library = name, options, library

    @property
    def is_hybrid(self):
        return self.library is not None


def modes_of(dump):
    """Those that this build of vt_track_dump knows."""
    usage = subprocess.run([dump], capture_output=True, text=True).stderr
    options = {'notified': [], 'tier2': ['--tier', '2'], 'tier3': ['--tier', '3']}
    if '--strict' in usage:
        options['strict'] = ['--strict']
    found = [Mode(name, more) for name, more in options.items()]
    library = os.environ.get('VT_TEST_PRELOAD', '')
    if '--preload' not in usage or not os.path.exists(library):
        return found
    hybrid = [Mode('hybrid' if name == 'notified' else f'hybrid {name}',
                   ['--preload', library, *more], library)
              for name, more in options.items()]
    return [hybrid[0], *found, *hybrid[1:]]


class Matrix:
    def __init__(self, dump, is_verbose=False):
        self.dump, self.is_verbose = dump, is_verbose
        self.truths, self.untraced = {}, {}

    def learn(self, row, place):
        """The runs without the tracker: the truth."""
        place.fill(row)
        self.untraced[row.name] = Outcome(
            row, place, *_run(row.command(place), place, row))
        again = None
        if row.checks_twice:
            place.fill(row)
            again = Outcome(row, place, *_run(row.command(place), place, row))
            for problem in self.untraced[row.name].differences(again, row):
                raise AssertionError(f'{row.name} is not repeatable: {problem}')
        if row.strace:
            self.truths[row.name] = Truth(row, place)

    def trace(self, row, mode, place):
        """One run under the tracker: (problems, seen)."""
        place.fill(row)
        before = Tree(place.top)
        result = os.path.join(place.top, b'seen')
        # The program's own variables are not the tracker's.
        env = [a for k, v in row.env.items() for a in ('--env', f'{k}={place.fit(v)}')]
        argv = [*row.prefix(), self.dump, '--raw0', '--out', result, *env,
                *mode.options, *(row.hybrid_options if mode.is_hybrid else ()),
                *row.command(place, prefix=False)]
        if row.user:
            open(result, 'w').close()
            os.chown(result, row.user, row.user)
        outcome = Outcome(row, place, *_run(argv, place, row, {}))
        if outcome.code == 'hung':
            return ['hung'], None
        try:
            seen = Seen(result)
        except FileNotFoundError:
            return [f'no tracking: {outcome.err}'], None
        finally:
            with contextlib.suppress(OSError):
                os.remove(result)
        problems = []
        if not row.changes_output(mode):
            problems += self.untraced[row.name].differences(outcome, row)
        expected = row.expected_flaws(mode)
        flaws = {f[0] for f in seen.flaws}
        if not flaws <= {*expected, *row.may_flaws} or (expected and not flaws):
            problems.append(f'not stored because of {seen.flaws}; '
                            f'expected: {sorted(expected)}')
        # A process that goes on running is another one.
        if seen.others and not seen.end[1]:
            problems.append(f'{seen.others} are said to be changed by others')
        truth = self.truths.get(row.name)
        # What is not stored because it is incomplete may be.
        if truth and 'incomplete' not in flaws:
            problems += compare_sets(row, mode, place, truth, seen)
        if truth and row.attaches(mode) and seen.end[3] == 0:
            problems.append('the accelerator was not used')
        if not row.is_remapped and not flaws & {'incomplete', *row.may_flaws}:
            problems += compare_outputs(row, place, truth, before, seen)
        for path, words in row.knows.items():
            path = os.path.join(place.work, os.fsencode(path))
            if not set(words.split()) <= seen.paths.get(path, set()):
                problems.append(f'{path!r} should be {words}, is '
                                f'{seen.paths.get(path)}')
        if row.check:
            problems += row.check(mode, outcome, seen) or []
        return problems, seen


def require(row):
    for need in row.needs:
        why = rows.problem_with(need)
        if why:
            raise Skip(f'REQUIRES({need}): {why}')
    if row.strace:
        why = rows.problem_with('strace')
        if why:
            raise Skip(f'REQUIRES(strace): {why}')


def run_row(matrix, row, modes, table=None):
    """True if the row is right in all of `modes`."""
    require(row)
    place, good = Place(), True
    try:
        matrix.learn(row, place)
        truth = matrix.truths.get(row.name)
        names = truth.names if truth else '-'
        doubts = len(truth.oracle.doubts) if truth else 0
        for mode in modes:
            problems, seen = matrix.trace(row, mode, place)
            paths = len(seen.paths) if seen else 0
            verdict = 'ok' if not problems else 'WRONG'
            flaws = ', '.join(sorted({f[0] for f in seen.flaws})) if seen else '?'
            print(f'{row.name:28} {mode.name:12} strace {names:>6}  tracker '
                  f'{paths:6}  notified {seen.end[2] if seen else 0:6}  signed '
                  f'{seen.end[3] if seen else 0:6}  {verdict}'
                  + (f'  not stored: {flaws}' if flaws else '')
                  + (f'  ({doubts} in doubt)' if doubts else ''), flush=True)
            if matrix.is_verbose and truth:
                for call in truth.oracle.doubts:
                    print('    in doubt:', call)
            for problem in problems[:15]:
                print('   ', problem)
            if len(problems) > 15:
                print(f'    … and {len(problems) - 15} more')
            good &= not problems
            if table is not None:
                table.append((row, mode.name, names, paths, flaws, verdict))
    finally:
        place.remove()
    return good


def run_random(matrix, first, count, modes):
    """Prints only what is wrong."""
    require(random_programs.make_row(first))
    print(f'{count} random programs from seed {first}', flush=True)
    wrong = doubts = 0
    place = Place()
    try:
        for seed in range(first, first + count):
            row = random_programs.make_row(seed)
            matrix.learn(row, place)
            doubts += len(matrix.truths[row.name].oracle.doubts)
            for mode in modes:
                problems, _ = matrix.trace(row, mode, place)
                if problems:
                    wrong += 1
                    print(f'--seed {seed} {mode.name}: {row.title}', flush=True)
                    for problem in problems[:8]:
                        print('   ', problem, flush=True)
            del matrix.truths[row.name], matrix.untraced[row.name]
    finally:
        place.remove()
    print(f'{count} random programs, {wrong} wrong, {doubts} calls in doubt')
    return wrong == 0


class Rounds:
    """The whole matrix many times, two rows at once, each in a place of its own.
    Thread-safe."""

    def __init__(self, matrix, chosen, modes, count, seed):
        self._matrix, self._lock = matrix, threading.Lock()
        self._active = set()  # names of rows that run now
        self.done, self.wrong = 0, 0
        self._began = time.monotonic()
        dice = random.Random(seed)
        self._queue = []
        for i in range(count):
            order = chosen[:]
            dice.shuffle(order)
            self._queue += [(row, modes[(i + j) % len(modes)])
                            for j, row in enumerate(order)]

    def _next(self):
        """The next run whose row is not running now; None at the end."""
        with self._lock:
            pick = next((q for q in self._queue if q[0].name not in self._active), None)
            if pick:
                self._queue.remove(pick)
                self._active.add(pick[0].name)
            return pick

    def _report(self, row, mode, problems):
        with self._lock:
            self._active.discard(row.name)
            self.done += 1
            if problems:
                self.wrong += 1
                print(f'{row.name} {mode.name}: {problems[:4]}', flush=True)
            if self.done % 250 == 0:
                print(f'{self.done} runs, {self.wrong} wrong, '
                      f'{time.monotonic() - self._began:.0f} s', flush=True)

    def work(self):
        kept = {}  # of rows that need no fresh directory
        try:
            while pick := self._next():
                row, mode = pick
                place = kept.get(row.name) or Place()
                problems, seen = self._matrix.trace(row, mode, place)
                for path in seen.paths if seen else ():
                    if path.startswith(PLACES) and not path.startswith(place.top):
                        problems.append(f'saw {path!r} of another run')
                if row.keep:
                    kept[row.name] = place
                else:
                    place.remove()
                self._report(row, mode, problems)
        finally:
            for place in kept.values():
                place.remove()


def run_rounds(matrix, chosen, modes, count, seed):
    able = []
    for row in chosen:
        place = Place()
        try:
            if row.in_pairs:
                require(row)
                matrix.learn(row, place)
                able.append(row)
        except Skip as skip:
            print(f'SKIPPED {row.name}: {skip}')
        finally:
            place.remove()
    rounds = Rounds(matrix, able, modes, count, seed)
    print(f'{len(able)} rows, {count} rounds, two at once, seed {seed}', flush=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(rounds.work), pool.submit(rounds.work)]:
            future.result()
    print(f'{rounds.done} runs in pairs, {rounds.wrong} wrong')
    return rounds.wrong == 0


def write_table(path, table):
    with open(path, 'w', encoding='utf-8') as file:
        file.write('| program | mode | strace | tracker | not stored | result |\n'
                   '|---|---|---|---|---|---|\n')
        for row, mode, names, paths, flaws, verdict in table:
            file.write(f'| {row.title} | {mode} | {names} | {paths} | {flaws or ""}'
                       f' | {verdict} |\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('rows', nargs='*')
    parser.add_argument('--dump', default=os.environ.get('VT_TEST_TRACK_DUMP'))
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--mode', action='append', help='only this mode')
    parser.add_argument('--rounds', type=int, default=0)
    parser.add_argument('--random', type=int, default=0)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 16),
                        help='of the order of the rounds, of the first random program')
    parser.add_argument('--table')
    parser.add_argument('--verbose', action='store_true')
    parser.add_argument('--list', action='store_true')
    options = parser.parse_args()
    if options.list:
        for row in rows.ROWS:
            print(row.name, 'slow' if row.is_slow else 'quick')
        return 0
    by_name = {row.name: row for row in rows.ROWS}
    chosen = [by_name[n] for n in options.rows] or rows.ROWS
    modes = modes_of(options.dump)
    if options.mode:
        modes = [m for m in modes if m.name in options.mode]
    elif not options.all and not options.rounds:
        modes = [m for m in modes if m.name in ('hybrid', 'notified')]
    matrix = Matrix(options.dump, options.verbose)
    if options.rounds:
        good = run_rounds(matrix, chosen, modes, options.rounds, options.seed)
        return 0 if good else 1
    if options.random:
        try:
            good = run_random(matrix, options.seed, options.random, modes)
        except Skip as skip:
            print(f'SKIPPED: {skip}')
            return 77
        return 0 if good else 1
    good, skipped, table = True, 0, []
    for row in chosen:
        try:
            good &= run_row(matrix, row, modes, table)
        except Skip as skip:
            skipped += 1
            print(f'SKIPPED {row.name}: {skip}')
    if options.table:
        write_table(options.table, table)
    if good and skipped == len(chosen):
        return 77
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
