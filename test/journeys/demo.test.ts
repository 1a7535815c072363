import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { hostCompute } from '../../src/compute/host.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Processes whose command line names this demo's folder. */
const leftOver = async (folder: string): Promise<string[]> => {
  const { stdout } = await run('ps', ['-eo', 'args'])
  return stdout.split('\n').filter((line) => line.includes(`${folder}/`))
}

test('npm run demo: from push to deployment, failures, rollback, denial, SIGKILL, a generated policy; nothing is left running', {
  timeout: 240_000,
}, async ({ skip, onTestFinished }) => {
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const folder = mkdtempSync(join(tmpdir(), 'demo-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const compute = hostCompute({
    folder: join(folder, 'probe'),
    endpoint: () => '',
    door: () => {},
    mode: 'sandbox',
    log: silent,
  })
  const { addresses, notes } = await compute.probe()
  if (!addresses) console.log('SKIPPED: the demo, because this host cannot run machines')
  skip(!addresses, `this host cannot run machines: ${notes.join(' ')}`)
  const { stdout } = await run('npm', ['run', '--silent', 'demo'], {
    cwd: root,
    timeout: 200_000,
    env: { ...process.env, TMPDIR: folder },
  })
  const rows = stdout.split('\n').filter((line) => /^(ok {2}|FAIL) /.test(line))
  expect(rows.map((line) => line.slice(0, 4))).toEqual(['ok  ', 'ok  ', 'ok  ', 'ok  ', 'ok  ', 'ok  ', 'ok  '])
  expect(await leftOver(folder)).toEqual([])
})
