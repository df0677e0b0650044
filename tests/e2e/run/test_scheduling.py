# SPDX-License-Identifier: Apache-2.0
"""Who runs when: within a run, and of several runs at once."""
import json
import pathlib
import re

from vtask_e2e import VtTest


class SchedulingTest(VtTest):

    def packages(self, command, count=6, **config):
        """p0 to p5 with the task `work`; `command` by number."""
        self.write('package.json', {'name': 'root', 'private': True})
        self.write('pnpm-workspace.yaml', 'packages: ["packages/*"]\n')
        for number in range(count):
            self.write(f'packages/p{number}/in.txt', f'{number}\n')
            self.package({'work': {'command': command(number), **config}},
                         where=f'packages/p{number}')

    def settings(self, **settings):
        file = pathlib.Path(self.env['XDG_CONFIG_HOME'], 'vtask/config.json')
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(settings))

    def started(self, text):
        """The packages in the order in which their tasks were shown as started."""
        return re.findall(r'(?m)^~/packages/(p\d)\$ ', text)

    def test_of_two_cold_runs_at_once_each_task_runs_once(self):
        self.packages(lambda number: 'cp in.txt out.txt')
        runs = [self.start_vt('run', '-r', 'work') for _ in range(2)]
        hits = 0
        for run in runs:
            self.assertEqual(run.finish(), 0, run.output)
            found = re.search(r'vt run: (\d)/6 cache hit', run.output)
            self.assertIsNotNone(found, run.output)
            hits += int(found[1])
        self.assertEqual(hits, 6, [run.output for run in runs])

    def test_what_took_long_starts_first_the_next_time(self):
        slow = 'cat in.txt && (timeout 0.7 tail -f /dev/null || true)'
        self.write('work.sh', f'test "$1" = 5 || exec cat in.txt\n{slow}\n')
        self.packages(lambda number: f'sh ../../work.sh {number}')
        first = self.assertOk(self.vt('run', '-r', '--concurrency-limit', '2', 'work'))
        self.assertEqual(self.started(first.out)[-1], 'p5', f'\n{first}')
        # Also by a daemon that knows it from the disk only.
        self.assertOk(self.vt('daemon', 'stop'))
        self.write('work.sh', self.read('work.sh') + '# changed\n')
        second = self.assertOk(self.vt('run', '-r', '--concurrency-limit', '2', 'work'))
        # One of the first two: their lookups end in any order.
        self.assertIn('p5', self.started(second.out)[:2], f'\n{second}')

    def most_at_once(self, *runs):
        """How many tasks ran together, as they told themselves."""
        marks = self.tmp / 'marks'
        self.packages(lambda number: f"sh -c 'printf + >> {marks}; python3 -c pass; "
                                     f"printf - >> {marks}'")
        started = [self.start_vt(*run) for run in runs]
        for run in started:
            self.assertEqual(run.finish(), 0, run.output)
        most = now = 0
        for mark in marks.read_text():
            now += 1 if mark == '+' else -1
            most = max(most, now)
        self.assertEqual(now, 0)
        return most

    def test_the_machine_has_a_limit_beside_that_of_the_run(self):
        self.settings(machineConcurrency=1)
        self.assertEqual(self.most_at_once(['run', '-r', 'work']), 1)

    def test_two_runs_share_the_limit_of_the_machine(self):
        self.settings(machineConcurrency=2)
        self.assertLessEqual(self.most_at_once(['run', '-r', 'work'],
                                               ['run', '-r', 'work', 'other']), 2)

    def test_a_run_that_waits_for_its_turn_can_be_cancelled(self):
        self.settings(machineConcurrency=1)
        gate = self.tmp / 'gate'
        self.write('hold.sh', f'echo holds; while [ ! -e {gate} ]; do :; done\n')
        self.packages(lambda number: 'sh ../../hold.sh', count=2)
        run = self.start_vt('run', '-r', 'work')
        run.wait_for('holds')
        run.signal(2)
        self.assertEqual(run.finish(), 130, run.output)

    def test_who_waited_for_a_task_from_its_start_takes_its_result(self):
        """But only what a lookup of its own would take: not with another umask."""
        self.settings(machineConcurrency=1)
        gate = self.tmp / 'gate'
        self.write('hold.sh', f'echo holds; while [ ! -e {gate} ]; do :; done\n')
        self.write('mask.sh', f'umask > mask; echo x >> {self.home}/count; echo made\n')
        self.package({'hold': 'sh hold.sh', 'mask': 'sh mask.sh'})
        holder = self.start_vt('run', 'hold')
        holder.wait_for('holds')
        runs = [self.start('sh', '-c', f'umask {mask}; exec "$0" run mask', self.vt_program)
                for mask in ('022', '022', '027')]
        self.wait_until(
            lambda: re.search(r'(?m)^runs +4$', self.vt('daemon', 'status').out),
            'all four are with the daemon')
        gate.touch()
        self.assertEqual(holder.finish(), 0, holder.output)
        for run in runs:
            self.assertEqual(run.finish(), 0, run.output)
            self.assertIn('made', run.output)
        self.assertEqual((self.home / 'count').read_text(), 'x\nx\n')
        self.assertEqual(sum('cache hit, replaying' in run.output for run in runs), 1)


if __name__ == '__main__':
    import unittest
    unittest.main()
