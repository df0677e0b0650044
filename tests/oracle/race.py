#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The race test: somebody edits while tasks run, and no result that came of it is wrong.

    race.py [--races N] [--seed N] [--length N]

Inputs are written, renamed, replaced and touched between being read, the end of the task
and the store. When it is quiet again the next run is compared with the truth: a result of
the race that is used must be what a run makes of the files as they are.
"""
import argparse
import pathlib
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import episode as episodes
import generate
import lab as labs


def play(seed, length, counts):
    """One workspace; returns what was wrong, or None."""
    rng = random.Random(seed)
    generator = generate.Generator(rng, labs.programs(), slow=True)
    files = generate.configuration(generator.packages, generator.tasks)
    files.update(generator.sources_now())
    lab = labs.Lab(files, generator.tasks)
    steps, current = [], {}
    try:
        for _ in range(length):
            step = generator.step(current, [])
            edits = [(rng.choice((0, 0.0005, 0.003, rng.uniform(0, 0.03))),
                      generator.edit(current)) for _ in range(rng.randint(1, 6))]
            steps.append((step, edits))
            for edit in step['edits']:
                generate.apply(edit, lab.workspace)
            lab.race(step['run'], edits)
            current = lab.step({'edits': [], 'run': step['run']})
    except labs.Wrong as wrong:
        episode = episodes.Episode(generator.packages, generator.tasks, {}, [])
        return f'seed {seed}, race {len(steps)}: {wrong}\n{episode}\n{steps[-1]}'
    finally:
        for name, count in lab.counts.items():
            counts[name] = counts.get(name, 0) + count
        lab.close()
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--races', type=int, default=200)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--length', type=int, default=40)
    parser.add_argument('--keep-going', action='store_true')
    options = parser.parse_args()
    counts, seed, failures = {}, options.seed, 0
    began = time.monotonic()
    while counts.get('races', 0) < options.races:
        if wrong := play(seed, options.length, counts):
            failures += 1
            print(f'=== WRONG, {wrong}', flush=True)
            if not options.keep_going:
                break
        seed += 1
    print(f'{failures} wrong hits after {counts["races"]} races: {counts}, '
          f'{time.monotonic() - began:.0f} s')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
