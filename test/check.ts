// `npm run check`: types, lint and format, unused code, dependency arrows, licences.
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

const allowed =
  /^(\(?(MIT|MIT-0|Apache-2\.0|BSD-2-Clause|BSD-3-Clause|ISC|0BSD|BlueOak-1\.0\.0|Zlib|CC0-1\.0|Unlicense|Python-2\.0|WTFPL)\)?( (AND|OR) )?)+$/

/** Packages whose licence is not one of those we may build on. */
const wrongLicences = (): string[] =>
  globSync(['node_modules/*/package.json', 'node_modules/@*/*/package.json'], { cwd: root }).flatMap((path) => {
    const { name, license, licenses } = JSON.parse(readFileSync(join(root, path), 'utf8'))
    if (!name) return []
    const text = typeof license === 'string' ? license : (license?.type ?? licenses?.[0]?.type ?? 'none')
    return allowed.test(text) || developmentOnly.has(name) ? [] : [`${name}: ${text}`]
  })
/** Used to develop, never shipped. */
const developmentOnly = new Set([
  'lightningcss',
  'lightningcss-linux-x64-gnu',
  'lightningcss-linux-arm64-gnu',
  'lightningcss-linux-x64-musl',
])

const steps: [string, () => boolean][] = [
  ['types', () => succeeds(bin('tsc'), ['-p', '.'])],
  ['lint and format', () => succeeds(bin('biome'), ['check', '--error-on-warnings', '.'])],
  ['unused code', () => succeeds(bin('knip'), ['--no-config-hints'])],
  ['dependency arrows', () => succeeds(bin('vitest'), ['run', '--reporter=dot', 'test/arrows.test.ts'])],
  [
    'licences',
    () => {
      const wrong = wrongLicences()
      for (const line of wrong) console.error(line)
      return wrong.length === 0
    },
  ],
]

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0
}

let failed = false
for (const [name, step] of steps) {
  const started = performance.now()
  const ok = step()
  failed ||= !ok
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
}
process.exitCode = failed ? 1 : 0
