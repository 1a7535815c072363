import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { type Fleet, fleet } from './fleet-bench.ts'

// Access control lists and SELinux labels: on a machine with the programs that set them, and on one without.

let it: Fleet
let programs: string | undefined
afterEach(async () => {
  vi.unstubAllEnvs()
  await it.close()
  if (programs) rmSync(programs, { recursive: true, force: true })
  programs = undefined
})

/** Programs that only note how they were called. */
const withPrograms = (...names: string[]): void => {
  programs = mkdtempSync(join(tmpdir(), 'drydock-programs-'))
  for (const name of names) {
    writeFileSync(join(programs, name), `#!/bin/sh\necho "${name} $*" >>"$ROOT/calls"\n`)
    chmodSync(join(programs, name), 0o755)
  }
  vi.stubEnv('PATH', `${programs}:${process.env.PATH}`)
}
const revision = (permission: string) => ({
  'appspec.yml': `version: 0.0
os: linux
files:
  - source: app
    destination: /srv/app
permissions:
${permission}`,
  'app/a.conf': 'a',
  'app/b.conf': 'b',
  'app/run.sh': '',
  'app/deep/c.conf': 'c',
})
const acls = `  - object: /srv/app
    pattern: "*.conf"
    except: [b.conf]
    acls: ["u:deploy:rw", "m::rw"]
    type: [file]
  - object: /srv/app
    acls: ["d:u:deploy:rwx"]
    type: [directory]
`
const label = `  - object: /srv/app/run.sh
    context: { user: system_u, type: httpd_exec_t, range: s0 }
`

test('lists and labels are set on what each permission names, and labels are taken away again', async () => {
  withPrograms('setfacl', 'semanage', 'restorecon')
  it = await fleet()
  const [id = ''] = await it.launch()
  await it.group()
  await it.put('one.zip', revision(acls + label))
  expect(await it.deploy('one.zip')).toMatchObject({ status: 'Succeeded' })
  const calls = async () => (await it.read(id, 'calls')).replaceAll(it.rootOf(id), '').trim().split('\n')
  const first = await calls()
  expect(first.toSorted()).toEqual([
    'restorecon -v /srv/app/run.sh',
    'semanage fcontext -a -s system_u -t httpd_exec_t -r s0 /srv/app/run.sh',
    'setfacl -b -- /srv/app/a.conf',
    'setfacl -b -- /srv/app/deep',
    'setfacl -m d:u:deploy:rwx -- /srv/app/deep',
    'setfacl -m u:deploy:rw,m::rw -- /srv/app/a.conf',
  ])
  await it.put('two.zip', revision('  - object: /srv/app\n'))
  expect(await it.deploy('two.zip')).toMatchObject({ status: 'Succeeded' })
  expect((await calls()).slice(first.length)).toEqual(['semanage fcontext -d /srv/app/run.sh'])
})

test.each([
  ['setfacl', acls],
  ['semanage', label],
])('a machine without %s says so', async (program, permission) => {
  // A path on which only what the agent and its hooks need is found.
  withPrograms()
  for (const needed of ['sh', 'chmod', 'tar', 'su']) {
    const target = join(programs ?? '', needed)
    writeFileSync(target, `#!/bin/sh\nexec /usr/bin/${needed} "$@"\n`)
    chmodSync(target, 0o755)
  }
  vi.stubEnv('PATH', programs ?? '')
  it = await fleet()
  await it.launch()
  await it.group()
  await it.put('one.zip', revision(permission))
  const { deploymentId = '', status } = await it.deploy('one.zip')
  expect(status).toBe('Failed')
  expect((await it.targets(deploymentId))[0]?.diagnostics).toMatchObject({
    errorCode: 'UnknownError',
    message: expect.stringMatching(new RegExp(`permissions settings .* This machine has no ${program}\\.$`)),
  })
})
