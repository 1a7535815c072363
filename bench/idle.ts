import { setTimeout as pause } from 'node:timers/promises'
import { CreateEventBusCommand } from '@aws-sdk/client-eventbridge'
import { clients, root } from './clients.ts'
import { type Figure, shown } from './figure.ts'
import { cpuOf, drydock, load, memoryOf } from './programs.ts'
import { json, raw, signed } from './sign.ts'

/** What a server that waits costs: processor time and memory with and without so many rules, half of them schedules. */
export const idle = async (rules: number): Promise<readonly Figure[]> => {
  const program = await drydock()
  try {
    const { events } = clients(program.endpoint)
    await events.send(new CreateEventBusCommand({ Name: 'bench' }))
    const put = (from: number, count: number) =>
      load(program.endpoint, {
        requests: Array.from({ length: count }, (_, i) => {
          const Name = `rule-${from + i}`
          const schedule = { Name, ScheduleExpression: 'rate(7 days)' }
          const pattern = { Name, EventPattern: JSON.stringify({ source: [`bench.${from + i}`] }) }
          return raw(
            signed(program.endpoint, 'events', root, json('AWSEvents.PutRule', i % 2 === 0 ? schedule : pattern)),
          )
        }),
        connections: 16,
        duration: 60_000,
        count,
      })
    const resting = async () => {
      await pause(1500)
      const before = cpuOf(program.pid) ?? Number.NaN
      await pause(3000)
      return { cpu: ((cpuOf(program.pid) ?? Number.NaN) - before) / 30, memory: memoryOf(program.pid) ?? Number.NaN }
    }
    // As many calls as a few rules take warm everything up, so that the difference is the rules' own.
    await put(0, 200)
    const few = await resting()
    const { statuses } = await put(200, rules)
    if (statuses[200] !== rules) throw new Error(`PutRule was answered ${JSON.stringify(statuses)}`)
    const many = await resting()
    const name = `${rules.toLocaleString('en')} idle rules`
    return [
      {
        name: `${name}: processor`,
        against: '200 idle rules, same server',
        value: many.cpu,
        unit: '%',
        aim: { atMost: Math.max(few.cpu, 0) + 1 },
        detail: `of one core over 3 s; ${shown(few.cpu)} % with 200`,
      },
      {
        name: `${name}: memory`,
        against: '200 idle rules, same server',
        value: ((many.memory - few.memory) * 1024) / rules,
        unit: 'KiB each',
        detail: `resident ${shown(few.memory)} MiB with 200, ${shown(many.memory)} MiB with ${rules}, caches and garbage of the calls included`,
      },
    ]
  } finally {
    await program.stop()
  }
}
