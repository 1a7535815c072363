import { spawnSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { root } from './clients.ts'
import { type Figure, median, shown } from './figure.ts'
import { cpuOf, drydock, memoryOf } from './programs.ts'
import { form, signed } from './sign.ts'

/** From exec to the end of the first answer, as a user's `drydock up` with a fresh folder, and what it then holds. */
export const starting = async (rounds = 5): Promise<readonly Figure[]> => {
  const bare: number[] = []
  const answered: number[] = []
  const idle: number[] = []
  const cpu: number[] = []
  for (let i = 0; i <= rounds; i++) {
    const nothing = performance.now()
    spawnSync(process.execPath, ['-e', '0'])
    const nothingTook = performance.now() - nothing
    const began = performance.now()
    const program = await drydock()
    try {
      const { url, headers, body } = signed(program.endpoint, 'sts', root, form('GetCallerIdentity', '2011-06-15'))
      const { host: _, ...rest } = headers
      const answer = await fetch(program.endpoint + url, { method: 'POST', headers: rest, body: new Uint8Array(body) })
      await answer.text()
      const took = performance.now() - began
      if (!answer.ok) throw new Error(`the first call was answered ${answer.status}`)
      const used = cpuOf(program.pid)
      await pause(500)
      // The first round fills caches of files and code.
      if (i === 0) continue
      bare.push(nothingTook)
      answered.push(took)
      idle.push(memoryOf(program.pid) ?? Number.NaN)
      cpu.push(used ?? Number.NaN)
    } finally {
      await program.stop()
    }
  }
  return [
    {
      name: 'start: exec to first answered call',
      against: `node -e 0, ${process.version}`,
      value: median(answered.map((took, i) => took / (bare[i] ?? Number.NaN))),
      unit: '×',
      aim: { atMost: 3 },
      detail: `${shown(median(answered))} ms against ${shown(median(bare))} ms; processor time ${shown(median(cpu))} ms`,
    },
    {
      name: 'memory after the first call, idle',
      against: 'absolute',
      value: median(idle),
      unit: 'MiB',
      aim: { atMost: 90 },
      detail: 'resident set half a second after the answer',
    },
  ]
}
