// SPDX-License-Identifier: Apache-2.0
// What an editor does with vtaskd, in one screen. See README.md.
//   node editor.mjs list | watch | run TASK | cancel TASK
import { execFileSync } from 'node:child_process'
import grpc from '@grpc/grpc-js'
import loader from '@grpc/proto-loader'

// A copy of this folder says where the published .proto files are.
const protos = process.env.VTASK_PROTO ?? new URL('../../proto', import.meta.url).pathname
const definition = loader.loadSync('vtask/v1/daemon.proto',
  { includeDirs: [protos], keepCase: true, enums: String, longs: Number, oneofs: true })
const { Daemon } = grpc.loadPackageDefinition(definition).vtask.v1

// `vt daemon start` prints nothing when the daemon is up; `status` names its socket.
execFileSync('vt', ['daemon', 'start'])
const socket = /\/\S+\.sock\S*/.exec(execFileSync('vt', ['daemon', 'status'], { encoding: 'utf8' }))[0]
const daemon = new Daemon(`unix:${socket}`, grpc.credentials.createInsecure())
const caller = {
  cwd: Buffer.from(process.cwd()),
  env: Object.entries(process.env).map(([name, value]) => Buffer.from(`${name}=${value}`)),
}
const [command, task] = process.argv.slice(2)
const fail = (error) => { console.error(error.message); process.exitCode = 1 }

if (command === 'list') {
  daemon.ListTasks({ caller }, (error, answer) => error ? fail(error)
    : answer.tasks.forEach((t) => console.log(`${t.label}: ${t.command.join(' && ')}`)))
} else if (command === 'watch') {
  const events = daemon.Subscribe({ include_output: false })
  events.on('metadata', () => console.log('watching'))
  events.on('data', (e) => console.log(`run ${e.run_id} #${e.sequence}: ${e.event}`, JSON.stringify(e[e.event])))
  events.on('error', fail)
} else {
  const run = daemon.Run()
  run.on('data', (answer) => {
    if (answer.stdout) process.stdout.write(answer.stdout)
    if (answer.stderr) process.stderr.write(answer.stderr)
    if (answer.exit) process.exitCode = answer.exit.code
    if (command === 'cancel' && answer.event?.action_started) run.cancel()
  })
  run.on('error', (error) => error.code === grpc.status.CANCELLED ? console.log('cancelled') : fail(error))
  run.write({ start: { argv: ['vt', 'run', task].map(Buffer.from), caller, want_events: command === 'cancel' } })
}
