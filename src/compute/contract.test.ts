import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { lineShell } from '../../test/line-shell.ts'
import { CASES, runCase } from './contract.ts'
import type { Behaviour, FakeState } from './fake.ts'
import { fakeCompute, fakeState } from './fake.ts'

/** What the cases' shell scripts do, for the driver that runs nothing. */
const stopped = (task: Parameters<Behaviour>[1]) =>
  new Promise<void>((done) => task.stopping.addEventListener('abort', () => done()))
const say =
  (text: string, code?: number): Behaviour =>
  (_, task) => {
    task.write(text)
    return code ?? new Promise(() => {})
  }
const SCRIPTS: Record<string, Behaviour> = {
  once: say('once\n', 0),
  words: say('one\ntwo\nthree\n', 0),
  fails: () => 3,
  killed: () => 137,
  busy: say('up\n'),
  execs: () => new Promise(() => {}),
  types: () => new Promise(() => {}),
  long: say('before\n'),
  done: say('done\n', 5),
  talks: say('one\ntwo\n'),
  polite: async (_, task) => {
    task.write('up\n')
    await stopped(task)
    task.write('bye\n')
    return 6
  },
  deaf: say('up\n'),
  forever: () => new Promise(() => {}),
}

describe('fake', () => {
  test.for(CASES.map((one) => [one.name, one] as const))('%s', async ([, one], { skip }) => {
    const states = new Map<string, FakeState>()
    const lacks = await runCase(one, {
      scratch: join(tmpdir(), 'drydock-contract'),
      image: { host: true },
      make: (folder) => {
        const state = states.get(folder) ?? fakeState()
        states.set(folder, state)
        const fake = fakeCompute(undefined, state)
        for (const [id, behaviour] of Object.entries(SCRIPTS)) fake.on(id, behaviour)
        fake.measure('busy', () => ({ cpuSeconds: 1, memoryBytes: 2 ** 20 }))
        fake.onTerminal('types', (command, task) =>
          command[0] === 'sleep'
            ? new Promise(() => {})
            : lineShell((word, { spec, options }) =>
                word.startsWith('echo $A') ? `${spec.env.A} ${options.env?.B}\n` : `\n${word.replace(/^echo /, '')}\n`,
              )(command, task),
        )
        return fake.onExec('execs', async (command, task) => {
          if (command[0] === 'no-such-program') return 127
          if (command[0] === 'sleep') return new Promise(() => {})
          task.write(`${Buffer.from(task.options.input ?? []).toString()}${task.spec.env.A} ${task.options.env?.B}\n`)
          return 4
        })
      },
    })
    // The fake runs nothing: whatever is about isolation is none of its business.
    expect([undefined, 'the driver isolates nothing']).toContain(lacks)
    skip(lacks !== undefined, lacks)
  })
})
