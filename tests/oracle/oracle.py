#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The oracle: is the cache ever wrong, does it ever miss without need?

    oracle.py [--steps N] [--seed N] [--length N] [--keep-going]

Makes random workspaces of LENGTH steps each until STEPS are done. Each step edits the
workspace, finds the truth by a run without the cache in a copy, runs with the cache, and
compares output, exit code and tree. A failure prints its seed and the shortest script
found that shows it; `--seed N --steps 1` does that episode again.
"""
import argparse
import collections
import pathlib
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import episode as episodes
import generate
import lab as labs


class Totals:

    def __init__(self):
        self.counts = collections.Counter()
        self.needless, self.unstored = [], []
        self.wrong = 0

    def add(self, seed, lab):
        self.counts.update(lab.counts)
        self.needless += [(seed, *one) for one in lab.needless]
        self.unstored += [(seed, *one) for one in lab.unstored]


def play(seed, length, totals):
    """Runs one episode; returns it and what was wrong, if something was."""
    rng = random.Random(seed)
    generator = generate.Generator(rng, labs.programs())
    episode = episodes.Episode(generator.packages, generator.tasks,
                               generator.sources_now(), [])
    lab = labs.Lab(episode.files(), episode.tasks)
    older, current = [], {}
    try:
        for _ in range(length):
            episode.steps.append(generator.step(current, older))
            current = lab.step(episode.steps[-1])
            older.append(current)
    except labs.Wrong as wrong:
        return episode, wrong
    finally:
        totals.add(seed, lab)
        lab.close()
    return None


def report(seed, episode, wrong, budget):
    print(f'\n=== WRONG, seed {seed}, step {len(episode.steps)}\n{wrong}', flush=True)
    if not budget:
        return
    smaller = episodes.Minimiser(episode, budget).run()
    print(f'\n--- {len(smaller.steps)} steps suffice\n{smaller}')
    print(smaller.failure() or 'it does not fail every time', flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--steps', type=int, default=300)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--length', type=int, default=60)
    parser.add_argument('--keep-going', action='store_true')
    parser.add_argument('--minimise', type=int, default=150,
                        help='attempts to make a failure smaller')
    parser.add_argument('--show', type=int, default=20, help='needless misses to list')
    options = parser.parse_args()
    totals, seed = Totals(), options.seed
    began = time.monotonic()
    while totals.counts['steps'] < options.steps:
        if found := play(seed, options.length, totals):
            totals.wrong += 1
            report(seed, *found, options.minimise)
            if not options.keep_going:
                break
        seed += 1
    seconds = time.monotonic() - began
    for one in totals.needless[:options.show]:
        print('needless', *one)
    for one in totals.unstored[:options.show]:
        print('not stored', *one)
    print(f'{totals.wrong} wrong hits;', ', '.join(
        f'{count} {name}' for name, count in totals.counts.items()),
        f'({totals.counts["steps"] / seconds:.0f} steps/s)')
    return 1 if totals.wrong else 0


if __name__ == '__main__':
    sys.exit(main())
