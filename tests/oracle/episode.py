# SPDX-License-Identifier: Apache-2.0
"""A workspace and the steps done to it, as data: can be run again, made smaller
as long as it still fails, and printed."""
import copy
import dataclasses

import generate
import lab as labs


@dataclasses.dataclass
class Episode:
    packages: list
    tasks: list
    sources: dict
    steps: list

    def files(self):
        return {**generate.configuration(self.packages, self.tasks), **self.sources}

    def failure(self):
        """What is wrong with it, or None."""
        lab = labs.Lab(self.files(), self.tasks)
        try:
            for step in self.steps:
                lab.step(step)
        except labs.Wrong as wrong:
            return wrong
        finally:
            lab.close()
        return None

    def __str__(self):
        lines = [f'{task.label}: {task.command}'
                 f'{" after " + ", ".join(task.depends_on) if task.depends_on else ""}'
                 f'{" env " + ",".join(task.env) if task.env else ""}' for task in self.tasks]
        lines += [f'{path}: {text!r}' for path, text in sorted(self.sources.items())]
        for step in self.steps:
            lines += [f'  edit {str(edit)[:2000]}' for edit in step['edits']]
            lines.append(f'  run  {step["run"]}')
        return '\n'.join(lines)


class Minimiser:
    """Makes an episode smaller, `budget` attempts long."""

    def __init__(self, episode, budget):
        self.best, self.budget = episode, budget

    def run(self):
        self._drop_many('steps')
        needed = {task.label for task in self.best.tasks}
        for label in sorted(needed):
            self._try(lambda e, label=label: self._drop_task(e, label))
        self._drop_many('sources')
        for i, step in enumerate(self.best.steps):
            for j in reversed(range(len(step['edits']))):
                self._try(lambda e, i=i, j=j: e.steps[i]['edits'].pop(j))
        for i, task in enumerate(self.best.tasks):
            for j in reversed(range(len(task.steps))):
                if len(self.best.tasks[i].steps) > 1:
                    self._try(lambda e, i=i, j=j: e.tasks[i].steps.pop(j))
            for j in range(len(self.best.tasks[i].steps)):
                for k in reversed(range(len(self.best.tasks[i].steps[j]))):
                    self._try(lambda e, i=i, j=j, k=k: e.tasks[i].steps[j].pop(k))
        return self.best

    @staticmethod
    def _drop_task(episode, label):
        episode.tasks = [t for t in episode.tasks if t.label != label]
        for task in episode.tasks:
            task.depends_on = [d for d in task.depends_on if d != label]
        if any(label in step['run']['args'] for step in episode.steps):
            episode.steps = [s for s in episode.steps if label not in s['run']['args']]

    def _try(self, change):
        if self.budget <= 0:
            return False
        self.budget -= 1
        smaller = copy.deepcopy(self.best)
        change(smaller)
        if not smaller.steps or not smaller.tasks:
            return False
        try:
            if smaller.failure() is None:
                return False
        except AssertionError:
            return False
        self.best = smaller
        return True

    def _drop_many(self, field):
        def drop(episode, at, size):
            value = getattr(episode, field)
            if isinstance(value, dict):
                for name in sorted(value)[at:at + size]:
                    del value[name]
            else:
                del value[at:at + size]
        size = max(1, len(getattr(self.best, field)) // 2)
        while size:
            at = 0
            while at < len(getattr(self.best, field)):
                if not self._try(lambda e: drop(e, at, size)):
                    at += size
            size //= 2
