import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './clients.ts'
import { type Figure, median, shown } from './figure.ts'
import { drydock, load, type Program } from './programs.ts'
import { json, type Plain, raw, signed } from './sign.ts'

// How the cost of a call grows with the rows that are there: log groups, by name and by page, and starting on them.

type Sample = { readonly rows: number; readonly byName: number; readonly page: number; readonly start: number }

const name = (i: number) => `/bench/${String(i).padStart(8, '0')}`
const describe = (input: object): Plain => json('Logs_20140328.DescribeLogGroups', input)

const latency = async ({ endpoint }: Program, plains: readonly Plain[]): Promise<number> => {
  const requests = plains.map((plain) => raw(signed(endpoint, 'logs', root, plain)))
  await load(endpoint, { requests, connections: 1, duration: 200 })
  const { median, statuses } = await load(endpoint, { requests, connections: 1, duration: 800 })
  if (Object.keys(statuses).join() !== '200')
    throw new Error(`DescribeLogGroups was answered ${JSON.stringify(statuses)}`)
  return median
}

const create = async ({ endpoint }: Program, from: number, to: number): Promise<void> => {
  for (let at = from; at < to; at += 20_000) {
    const count = Math.min(20_000, to - at)
    const requests = Array.from({ length: count }, (_, i) =>
      raw(signed(endpoint, 'logs', root, json('Logs_20140328.CreateLogGroup', { logGroupName: name(at + i) }))),
    )
    const { statuses } = await load(endpoint, { requests, connections: 32, duration: 120_000, count })
    if (statuses[200] !== count) throw new Error(`CreateLogGroup was answered ${JSON.stringify(statuses)}`)
  }
}

export const growth = async (sizes: readonly number[]): Promise<readonly Figure[]> => {
  const data = mkdtempSync(join(tmpdir(), 'drydock-bench-'))
  const samples: Sample[] = []
  try {
    let there = 0
    for (const rows of sizes) {
      const filling = await drydock({ data })
      try {
        await create(filling, there, rows)
        there = rows
      } finally {
        await filling.stop()
      }
      const starts: number[] = []
      let program: Program | undefined
      for (let i = 0; i < 3; i++) {
        await program?.stop()
        const began = performance.now()
        program = await drydock({ data })
        starts.push(performance.now() - began)
      }
      if (!program) continue
      try {
        const names = Array.from({ length: 200 }, (_, i) => name(Math.floor((i * rows) / 200)))
        const byName = await latency(
          program,
          names.map((logGroupNamePrefix) => describe({ logGroupNamePrefix, limit: 1 })),
        )
        const page = await latency(program, [describe({ limit: 50 })])
        samples.push({ rows, byName, page, start: median(starts) })
      } finally {
        await program.stop()
      }
    }
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
  const [first] = samples
  if (!first) return []
  const figure = (what: string, read: (sample: Sample) => number) =>
    samples.slice(1).map(
      (sample): Figure => ({
        name: `${what}, ${sample.rows.toLocaleString('en')} rows`,
        against: `${first.rows} rows`,
        value: read(sample) / read(first),
        unit: '×',
        aim: { atMost: 1.5 },
        detail: `${shown(read(sample))} ms against ${shown(read(first))} ms`,
      }),
    )
  return [
    ...figure('read by name', ({ byName }) => byName),
    ...figure('page of 50', ({ page }) => page),
    ...figure('start', ({ start }) => start),
  ]
}
