import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

// Dependencies run one way (ARCHITECTURE.md): server → services → kernel, work, compute → store, blobs.
const root = join(import.meta.dirname, '..', 'src')
// Stories' benches (`…-bench.ts`) are test code beside what they test, as tests and contract suites are.
const files = globSync('**/*.ts', { cwd: root }).filter((file) => !/(\.test|-bench|contract)\.ts$/.test(file))

type Import = { readonly from: string; readonly to: string; readonly typeOnly: boolean }
const imports: Import[] = files.flatMap((file) =>
  [
    ...readFileSync(join(root, file), 'utf8').matchAll(
      /^(import|export)( type)? [^'"]*?from '(\.[^']+)'|import\('(\.[^']+)'\)/gms,
    ),
  ].map(([, , type, statically, dynamically]) => ({
    from: file,
    to: relative(root, join(root, dirname(file), statically ?? dynamically ?? '')),
    typeOnly: type !== undefined,
  })),
)

const serviceOf = (file: string) => /^services\/([^/]+)\//.exec(file)?.[1]
const roomOf = (file: string) => file.split('/')[0] ?? ''

test('no service imports another service', () => {
  const wrong = imports.filter(({ from, to }) => serviceOf(from) && serviceOf(to) && serviceOf(from) !== serviceOf(to))
  expect(wrong).toEqual([])
})

test('only the list of services imports a service', () => {
  const wrong = imports.filter(({ from, to }) => serviceOf(to) && !serviceOf(from) && from !== 'services/index.ts')
  expect(wrong).toEqual([])
})

test('lower rooms do not know upper ones', () => {
  const below: Record<string, readonly string[]> = {
    policy: ['policy'],
    archives: ['archives'],
    schedules: ['schedules'],
    remotes: ['remotes', 'kernel'],
    blobs: ['blobs'],
    compute: ['compute', 'work'],
    kernel: ['kernel', 'policy', 'work', 'compute', 'store', 'blobs'],
    services: ['services', 'kernel', 'policy', 'work', 'compute', 'store', 'blobs', 'archives', 'schedules', 'remotes'],
  }
  const wrong = imports.filter(({ from, to, typeOnly }) => {
    const allowed = below[roomOf(from)]
    // A type alone draws no code along: rows name the events they emit, steps name the context they get.
    return allowed && !typeOnly && to !== 'package.ts' && !allowed.includes(roomOf(to))
  })
  expect(wrong).toEqual([])
})

test('only the adapter uses the SDK core', () => {
  const wrong = files.filter(
    (file) =>
      !file.startsWith('kernel/protocols/') &&
      !file.startsWith('kernel/model/') &&
      /^import (?!type).*'@(smithy|aws-sdk)\/core/m.test(readFileSync(join(root, file), 'utf8')),
  )
  expect(wrong).toEqual([])
})

test('only server and command line touch the environment', () => {
  const wrong = files.filter(
    (file) =>
      !/^(cli|config|server|services\/codedeploy\/agent\/|services\/codepipeline\/machine\/)/.test(file) &&
      /process\.env/.test(readFileSync(join(root, file), 'utf8')),
  )
  expect(wrong).toEqual([])
})
