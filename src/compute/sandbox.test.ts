import { execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { CASES, runCase } from './contract.ts'
import type { Outcome } from './contract-run.ts'
import { listeningPorts } from './sandbox/public-ports.ts'
import { sandboxDriver } from './sandbox.ts'

describe('sandbox', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'dd-'))
  await chmod(scratch, 0o755)
  afterAll(() => rm(scratch, { recursive: true, force: true }))

  test.for(CASES.map((one) => [one.name, one] as const))('%s', async ([, one], { skip }) => {
    const lacks = await runCase(one, {
      scratch,
      image: { host: true },
      make: (folder, door) =>
        sandboxDriver({ folder, bases: join(scratch, 'bases'), door, endpoint: () => 'http://127.0.0.1:4566' }),
    })
    if (lacks !== undefined) console.log(`skipped on the sandbox: ${one.name}: ${lacks}`)
    skip(lacks !== undefined, lacks)
  })

  // A fresh machine: what machines need of a network can be had with fewer programs.
  describe.each([[['nft']], [['nft', 'ip']]] as const)('without %j', (without) => {
    test.for(CASES.map((one) => [one.name, one] as const))('%s', async ([, one], { skip }) => {
      const lacks = await runCase(one, {
        scratch,
        image: { host: true },
        make: (folder, door) =>
          sandboxDriver({
            folder,
            bases: join(scratch, 'bases'),
            door,
            endpoint: () => 'http://127.0.0.1:4566',
            without,
          }),
      })
      if (lacks !== undefined) console.log(`skipped on the sandbox without ${without}: ${one.name}: ${lacks}`)
      skip(lacks !== undefined, lacks)
    })
  })

  test('doors that a killed server’s agent still holds are waited for', async ({ skip }) => {
    const folder = await mkdtemp(join(scratch, 'held-'))
    const make = () => sandboxDriver({ folder, bases: join(scratch, 'bases'), endpoint: () => '' })
    const first = make()
    const { addresses, peers } = await first.probe()
    skip(process.geteuid?.() !== 0 || !addresses || !peers, 'no VPCs of several machines here')
    const ingress: [] = []
    const network = { vpc: 'vpc-1', subnet: 'subnet-1', cidr: '10.77.1.0/24', address: '10.77.1.5', ingress }
    const machine = { id: 'held', kind: 'machine', image: { host: true }, command: ['sleep', '300'], env: {} } as const
    const { handle } = await first.start({ ...machine, network })
    await first.close()
    const [holder = ''] = readFileSync(join(folder, 'vpcs/vpc-1/holder'), 'utf8').split(' ')
    const listens = `$s = IO::Socket::INET->new(LocalAddr => '169.254.170.1', LocalPort => 4566, Listen => 1, ReuseAddr => 1) or die;
$| = 1; print "held\\n"; <STDIN>`
    const other = spawn('nsenter', ['-t', holder, '-n', 'perl', '-MIO::Socket::INET', '-e', listens])
    await new Promise((held) => other.stdout.once('data', held))
    const next = make()
    try {
      const found = next.attach(handle)
      const early = new Promise((done) => setTimeout(() => done('still waiting'), 500))
      expect(await Promise.race([found, early])).toBe('still waiting')
      other.stdin.end('\n')
      expect(await found).toBeDefined()
    } finally {
      other.kill()
      await next.removeAll()
      await next.close()
    }
  })

  /** An ordinary user without subordinate ids, and one with, where this host has one. */
  const someUsers = () => {
    const users = existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8').split('\n') : []
    const ranges = existsSync('/etc/subuid') ? readFileSync('/etc/subuid', 'utf8') : ''
    const ranged = users
      .map((line) => line.split(':'))
      .find(([name, , uid]) => name && uid !== '0' && ranges.includes(`${name}:`))
    return [
      ['without other users inside', 64_321] as const,
      ...(ranged ? [['with a range of ids', Number(ranged[2])] as const] : []),
    ]
  }

  test.each(someUsers())('the same as an ordinary user %s', { timeout: 180_000 }, async (what, uid) => {
    const script = fileURLToPath(new URL('./contract-run.ts', import.meta.url))
    if (process.geteuid?.() !== 0) return console.log('skipped: already run by an ordinary user')
    const own = join(scratch, `user-${uid}`)
    await mkdir(own)
    await chown(own, uid, uid)
    const as = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups']
    const text = await new Promise<string>((done) =>
      execFile(
        'setpriv',
        [...as, process.execPath, script, own],
        { cwd: '/', maxBuffer: 1 << 24 },
        (_, stdout, stderr) => done(stdout || stderr),
      ),
    )
    if (/EACCES|Cannot find module|Permission denied/.test(text) && !text.startsWith('{'))
      return console.log(`skipped as user ${uid} (${what}): this checkout is not readable by others`)
    const outcomes = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Outcome)
    expect(outcomes.filter(({ error }) => error)).toEqual([])
    expect(outcomes).toHaveLength(CASES.length)
    for (const { name, lacks } of outcomes)
      if (lacks) console.log(`skipped as an ordinary user ${what}: ${name}: ${lacks}`)
  })
})

test('ports that are reached from outside are told from those that are not', () => {
  const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 1401000A:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   3: 1401000A:0016 1401000A:9999 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
`
  const tcp6 = `  sl  local_address remote_address st
   0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 0
   1: 00000000000000000000000001000000:0BB9 00000000000000000000000000000000:0000 0A 0
`
  expect([...listeningPorts([tcp, tcp6], '10.0.1.20')]).toEqual([8080, 443, 3000])
})
