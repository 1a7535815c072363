// Writes src/kernel/model/constraints/<service>.json from an installed botocore: what inputs must satisfy, and which
// errors an operation has. The SDK's own schemas do not say. Only facts are taken, no prose.
// Run: node scripts/generate-constraints.ts [path of botocore's data folder]
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { ServiceId } from '../src/kernel/model/clients.ts'
import { clientModules } from '../src/kernel/model/clients.ts'
import { compilePattern } from '../src/kernel/pattern.ts'

const folders: { readonly [S in ServiceId]?: string } = {
  applicationautoscaling: 'application-autoscaling',
  codestarconnections: 'codestar-connections',
  sfn: 'stepfunctions',
}

type Ref = { shape: string }
type BotoShape = {
  type: string
  required?: string[]
  members?: Record<string, Ref & { idempotencyToken?: boolean; eventstream?: boolean }>
  member?: Ref
  key?: Ref
  value?: Ref
  min?: number
  max?: number
  pattern?: string
  enum?: string[]
  sensitive?: boolean
  exception?: boolean
  eventstream?: boolean
}
type BotoModel = {
  shapes: Record<string, BotoShape>
  operations: Record<string, { input?: Ref; errors?: Ref[] }>
}
type Patch = { service: string; shape: string; set: Partial<BotoShape>; evidence: string }
type Node = Record<string, unknown>

const data =
  process.argv[2] ??
  execFileSync('python3', [
    '-c',
    'import botocore, os; print(os.path.join(os.path.dirname(botocore.__file__), "data"))',
  ])
    .toString()
    .trim()

const here = new URL('../src/kernel/model/', import.meta.url).pathname
const patches: Patch[] = JSON.parse(readFileSync(join(here, 'patches.json'), 'utf8'))

const read = (folder: string): BotoModel => {
  const version = readdirSync(join(data, folder)).sort().at(-1)!
  const plain = join(data, folder, version, 'service-2.json')
  const text = existsSync(plain) ? readFileSync(plain) : gunzipSync(readFileSync(`${plain}.gz`))
  return JSON.parse(text.toString())
}

mkdirSync(join(here, 'constraints'), { recursive: true })
let total = 0
for (const id of Object.keys(clientModules) as ServiceId[]) {
  const model = read(folders[id] ?? id)
  for (const patch of patches.filter(({ service }) => service === id)) {
    const shape = model.shapes[patch.shape]
    if (!shape) throw new Error(`patches.json names a shape that ${id} does not have: ${patch.shape}`)
    Object.assign(shape, patch.set)
    for (const [key, value] of Object.entries(patch.set)) if (value === null) delete shape[key as keyof BotoShape]
  }

  const scalars = (shape: BotoShape): Node => {
    const node: Node = {}
    if (shape.type === 'integer') node.int = 32
    if (shape.type === 'long') node.int = 64
    if (shape.min !== undefined) node.min = shape.min
    if (shape.max !== undefined) node.max = shape.max
    if (shape.enum) node.enum = shape.enum
    if (shape.pattern !== undefined) {
      if (compilePattern(shape.pattern)) node.pattern = shape.pattern
      else console.error(`${id}: a pattern is left out, it cannot be compiled: ${shape.pattern}`)
    }
    return node
  }

  // Shapes that constrain nothing, however deep, are left out: grown from those that do until nothing more joins.
  const children = (shape: BotoShape): string[] => [
    ...Object.values(shape.members ?? {}).map((ref) => ref.shape),
    ...[shape.member, shape.key, shape.value].flatMap((ref) => (ref ? [ref.shape] : [])),
  ]
  const kept = new Set(
    Object.entries(model.shapes)
      .filter(([, shape]) => Object.keys(scalars(shape)).length > 0 || (shape.required?.length ?? 0) > 0)
      .map(([name]) => name),
  )
  for (let grown = true; grown; ) {
    grown = false
    for (const [name, shape] of Object.entries(model.shapes))
      if (!kept.has(name) && children(shape).some((child) => kept.has(child))) {
        kept.add(name)
        grown = true
      }
  }

  const nodes: Node[] = []
  const places = new Map<string, number>()
  const same = new Map<string, number>()
  const place = (name: string): number | undefined => {
    if (!kept.has(name)) return undefined
    const known = places.get(name)
    if (known !== undefined) return known
    const shape = model.shapes[name]!
    const own = scalars(shape)
    if (children(shape).length === 0 && shape.type !== 'structure') {
      const text = JSON.stringify(own)
      const twin = same.get(text)
      const at = twin ?? nodes.push(own) - 1
      same.set(text, at)
      places.set(name, at)
      return at
    }
    const at = nodes.push(own) - 1
    places.set(name, at)
    if (shape.members) {
      const tokens = Object.entries(shape.members).filter(([, ref]) => ref.idempotencyToken)
      const required = (shape.required ?? []).filter((member) => !tokens.some(([token]) => token === member))
      if (required.length) own.required = required
      const members = Object.entries(shape.members).flatMap(([member, ref]) => {
        const target = place(ref.shape)
        return target === undefined ? [] : [[member, target]]
      })
      if (members.length) own.members = Object.fromEntries(members)
    }
    for (const [name, ref] of [
      ['item', shape.member],
      ['key', shape.key],
      ['value', shape.value],
    ] as const)
      if (ref) own[name] = place(ref.shape)
    return at
  }

  const operations: Record<string, { input?: number; errors?: string[] }> = {}
  for (const [name, operation] of Object.entries(model.operations)) {
    const input = operation.input && place(operation.input.shape)
    const errors = operation.errors?.map((error) => error.shape)
    operations[name] = { ...(input !== undefined && { input }), ...(errors?.length && { errors }) }
  }
  const text = JSON.stringify({ operations, nodes })
  total += text.length
  writeFileSync(join(here, 'constraints', `${id}.json`), `${text}\n`)
}
console.log(`${Math.round(total / 1024)} KB`)
