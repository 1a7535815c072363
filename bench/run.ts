import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { calls } from './calls.ts'
import { attempt, type Figure, isMissing, type Missing, met, shown } from './figure.ts'
import { growth } from './growth.ts'
import { idle } from './idle.ts'
import { objectGrowth } from './object-growth.ts'
import { objects } from './objects.ts'
import { policies } from './policies.ts'
import { bare, drydock, moto, type Program } from './programs.ts'
import { starting } from './starting.ts'
import { work } from './work.ts'

// `npm run bench [-- --full] [-- --only calls,objects,policies,start,work,idle,growth,object-growth] [-- --peer NAME=URL] [-- --no-moto]`:
// measures Drydock against its peers and against what Node and this machine can do, prints a table, writes JSON.

const { values: options } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
    peer: { type: 'string', multiple: true, default: [] },
    'no-moto': { type: 'boolean', default: false },
  },
})

const wanted = (part: string): boolean => options.only === undefined || options.only.split(',').includes(part)
const lines: (Figure | Missing)[] = []
const began = performance.now()
const busyBefore = loadavg()

const part = async (name: string, body: () => Promise<readonly (Figure | Missing)[]>): Promise<void> => {
  if (!wanted(name)) return
  process.stderr.write(`${name} … `)
  const since = performance.now()
  lines.push(...(await attempt(name, body)))
  process.stderr.write(`${((performance.now() - since) / 1000).toFixed(0)} s\n`)
}

const given = (text: string): Program => {
  const at = text.indexOf('=')
  if (at < 1 || !URL.canParse(text.slice(at + 1))) throw new Error(`--peer takes NAME=URL, not ${text}`)
  return { name: text.slice(0, at), endpoint: text.slice(at + 1).replace(/\/$/, ''), pid: 0, stop: async () => {} }
}

const withPrograms = async (
  body: (ours: Program, bare: Program, peers: readonly Program[]) => Promise<void>,
): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-bench-'))
  const running: Program[] = []
  const run = async (program: Promise<Program>): Promise<Program> => {
    const started = await program
    running.push(started)
    return started
  }
  try {
    const ours = await run(drydock())
    const plain = await run(bare(folder))
    const python = options['no-moto'] ? undefined : await moto()
    if (python) running.push(python)
    else
      lines.push({
        name: 'moto_server',
        missing: options['no-moto'] ? 'left out by --no-moto' : 'python3 has no moto.server',
      })
    await body(ours, plain, [...(python ? [python] : []), ...options.peer.map(given)])
  } finally {
    for (const program of running) await program.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

await part('start', () => starting())
if (wanted('calls') || wanted('objects'))
  await withPrograms(async (ours, plain, peers) => {
    await part('calls', () => calls(ours, plain, peers))
    await part('objects', () => objects(ours, plain, peers))
  })
await part('policies', policies)
await part('work', work)
await part('idle', () => idle(options.full ? 100_000 : 10_000))
await part('growth', () => growth(options.full ? [100, 10_000, 1_000_000] : [100, 10_000]))
await part('object-growth', () => objectGrowth(options.full ? [10_000, 1_000_000] : [1_000, 10_000]))

const aimOf = ({ aim }: Figure): string =>
  aim ? ('atLeast' in aim ? `≥ ${shown(aim.atLeast)}` : `≤ ${shown(aim.atMost)}`) : ''
const verdict = (figure: Figure): string =>
  ({ true: 'met', false: 'not met', undefined: '' })[String(met(figure))] ?? ''
const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
const table = [
  row(['figure', 'against', 'measured', 'aim', '', 'behind it']),
  row(['---', '---', '---', '---', '---', '---']),
  ...lines.map((line) =>
    isMissing(line)
      ? row([line.name, '', 'not measured', '', '', line.missing])
      : row([line.name, line.against, `${shown(line.value)} ${line.unit}`, aimOf(line), verdict(line), line.detail]),
  ),
]
console.log(table.join('\n'))

const machine = {
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
  memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  node: process.version,
  platform: process.platform,
  // What else the machine did: average number of processes that wanted a core, of the last minute.
  load: { before: busyBefore[0], after: loadavg()[0] },
}
const results = fileURLToPath(new URL('results/', import.meta.url))
mkdirSync(results, { recursive: true })
const seconds = Math.round((performance.now() - began) / 1000)
const record = {
  when: new Date().toISOString(),
  seconds,
  full: options.full,
  machine,
  figures: lines.map((line) => (isMissing(line) ? line : { ...line, met: met(line) })),
}
const file = options.only === undefined ? 'latest.json' : 'part.local.json'
writeFileSync(join(results, file), `${JSON.stringify(record, null, 2)}\n`)
console.log(
  `\n${seconds} s on ${machine.cores} × ${machine.cpu}, Node ${machine.node}, load ${shown(machine.load.before ?? 0)} before and ${shown(machine.load.after ?? 0)} after; bench/results/${file}`,
)
