// `npm test`: the checks, then every test in random order. The last line counts them.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)
const folder = mkdtempSync(join(tmpdir(), 'drydock-test-'))
const report = join(folder, 'report.json')

const check =
  spawnSync(process.execPath, [join(root, 'test', 'check.ts')], { cwd: root, stdio: 'inherit' }).status === 0
spawnSync(
  bin('vitest'),
  ['run', '--reporter=default', '--reporter=json', `--outputFile=${report}`, ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
  },
)

type Report = {
  numPassedTests: number
  numFailedTests: number
  numFailedTestSuites: number
  numPendingTests: number
  success: boolean
}
let result: Report = {
  numPassedTests: 0,
  numFailedTests: 1,
  numFailedTestSuites: 1,
  numPendingTests: 0,
  success: false,
}
try {
  result = JSON.parse(readFileSync(report, 'utf8'))
} catch {
  console.error('The test runner left no report.')
}
rmSync(folder, { recursive: true, force: true })
if (!check) console.log('The checks failed.')
const failed = Math.max(result.numFailedTests, result.success ? 0 : 1) + (check ? 0 : 1)
console.log(`${result.numPassedTests} passed, ${failed} failed, ${result.numPendingTests} skipped`)
process.exitCode = failed > 0 ? 1 : 0
