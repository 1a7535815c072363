// What every compute driver promises, as cases that any runner can run: vitest, and a child process of another user.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type {
  Attachment,
  Capabilities,
  ComputeDriver,
  Door,
  DoorRequest,
  ExecOptions,
  Image,
  PacketRule,
  RunningTask,
  TaskSpec,
} from './driver.ts'
import { ComputeError } from './driver.ts'

export type Bench = {
  /** A driver on this folder: the first is the server, a second the server after a restart. */
  readonly make: (folder: string, door: Door) => ComputeDriver
  /** A folder that may be filled; removed by the caller. */
  readonly scratch: string
  /** The image on which the cases run: it has a POSIX shell, coreutils. */
  readonly image: Image
}

export type Case = {
  readonly name: string
  /** Runs only where the driver has this; `undefined` when it does, else why not. */
  readonly needs?: (capabilities: Capabilities) => string | undefined
  readonly run: (world: World) => Promise<void>
}

/** One case's surroundings. */
export type World = {
  readonly driver: ComputeDriver
  readonly capabilities: Capabilities
  readonly folder: string
  readonly scratch: string
  readonly doors: DoorRequest[]
  /** The driver of the next server on the same folder; the first is closed. */
  restart(): Promise<ComputeDriver>
  task(id: string, script: string, more?: Partial<TaskSpec>): TaskSpec
  machine(id: string, script: string, more?: Partial<TaskSpec>): TaskSpec
}

export const textOf = async (output: AsyncIterable<Uint8Array>): Promise<string> =>
  Buffer.concat(await Array.fromAsync(output)).toString()

const inside = async (
  task: RunningTask,
  script: string,
  options?: ExecOptions,
): Promise<{ code: number; text: string }> => {
  const execution = await task.exec(['sh', '-c', script], options)
  const text = await textOf(execution.output)
  return { code: (await execution.wait()).code, text }
}

const eventually = async <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => {
  for (const end = Date.now() + 8000; Date.now() < end; ) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((done) => setTimeout(done, 20))
  }
  throw new Error(`never came: ${what}`)
}

/** Runs one case on a bench of its own; says why it did not where the driver cannot. */
export const runCase = async (one: Case, bench: Bench): Promise<string | undefined> => {
  await mkdir(bench.scratch, { recursive: true })
  const scratch = await mkdtemp(join(bench.scratch, 'case-'))
  await chmod(scratch, 0o755)
  const folder = join(scratch, 'compute')
  const doors: DoorRequest[] = []
  const door: Door = (_, response, from) => {
    doors.push(from)
    response.end(JSON.stringify(from))
  }
  const made = [bench.make(folder, door)]
  const driver = made[0]
  assert(driver)
  const spec =
    (kind: TaskSpec['kind']) =>
    (id: string, script: string, more: Partial<TaskSpec> = {}) => ({
      id,
      kind,
      image: bench.image,
      command: ['sh', '-c', script],
      env: {},
      network: 'host' as const,
      ...more,
    })
  try {
    const capabilities = await driver.probe()
    const lacks = capabilities.available ? one.needs?.(capabilities) : capabilities.notes.join(' ')
    if (lacks !== undefined) return lacks
    await one.run({
      driver,
      capabilities,
      folder,
      scratch,
      doors,
      restart: async () => {
        await made.at(-1)?.close()
        const next = bench.make(folder, door)
        made.push(next)
        return next
      },
      task: spec('task'),
      machine: spec('machine'),
    })
    return undefined
  } finally {
    await made.at(-1)?.removeAll()
    await made.at(-1)?.close()
    await rm(scratch, { recursive: true, force: true })
  }
}

const isolated = ({ isolation }: Capabilities) => (isolation === 'none' ? 'the driver isolates nothing' : undefined)
const machines = (found: Capabilities) => (found.machines ? isolated(found) : 'no machines here')
const addresses = (found: Capabilities) => (found.addresses ? isolated(found) : 'no addresses of their own here')
const peers = (found: Capabilities) => (found.peers ? addresses(found) : 'machines are alone in their networks here')

const place = (
  address: string,
  ingress: readonly PacketRule[],
  more: Partial<Attachment> = {},
): { network: Attachment } => ({
  network: { vpc: 'vpc-1', subnet: 'subnet-1', cidr: '10.77.1.0/24', address, ingress, ...more },
})
const from = (...sources: string[]): readonly PacketRule[] => [
  { protocol: 'tcp', fromPort: 8080, toPort: 8080, sources },
]

/** Ends a connection or answers one line: all that a case needs of a server, in what every Debian has. */
const PERL_SERVER = (line: string) =>
  `perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(LocalPort=>8080,Listen=>9,ReuseAddr=>1)or die; $|=1; print "listening\\n"; while($c=$s->accept){sysread($c,$_,4096);print $c "HTTP/1.0 200 OK\\r\\n\\r\\n${line} ".$c->peerhost."\\n";close $c}'`
const perlGet = (host: string, port = 8080, path = '/') =>
  `perl -MIO::Socket::INET -e '$c=IO::Socket::INET->new(PeerAddr=>"${host}",PeerPort=>${port},Timeout=>1) or exit 7; print $c "GET ${path} HTTP/1.0\\r\\n\\r\\n"; print while <$c>'`

export const CASES: readonly Case[] = [
  {
    name: 'a task runs its command once, however often it is started',
    run: async ({ driver, task }) => {
      const spec = task('once', 'echo once')
      const [first, second] = await Promise.all([driver.start(spec), driver.start(spec)])
      assert.equal(first.handle.id, second.handle.id)
      assert.deepEqual(await second.wait(), { code: 0, reason: 'exited' })
      const third = await driver.start(spec)
      assert.equal(await textOf(third.output()), 'once\n')
      assert.deepEqual(await third.wait(), { code: 0, reason: 'exited' })
    },
  },
  {
    name: 'output is both streams, in order, from any byte',
    run: async ({ driver, task }) => {
      const running = await driver.start(task('words', 'echo one; echo two >&2; echo three'))
      assert.equal(await textOf(running.output()), 'one\ntwo\nthree\n')
      assert.equal(await textOf(running.output(4)), 'two\nthree\n')
      assert.equal(await textOf(running.output(1000)), '')
      assert.equal(await textOf(running.output(-6)), 'three\n')
      assert.equal(await textOf(running.output(-1000)), 'one\ntwo\nthree\n')
    },
  },
  {
    name: 'what a task used is counted while it runs, of those too that it started and that ended',
    run: async ({ driver, task }) => {
      const busy = 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done'
      const running = await driver.start(task('busy', `sh -c '${busy}'; echo up; sleep 300`))
      await eventually('its end of work', async () =>
        (await textOf(running.output(0, { follow: false }))) === 'up\n' ? true : undefined,
      )
      const used = await running.usage()
      assert(used)
      assert(used.cpuSeconds > 0 && used.cpuSeconds < 60, `${used.cpuSeconds} s`)
      assert(used.memoryBytes > 10_000 && used.memoryBytes < 2 ** 30, `${used.memoryBytes} bytes`)
      assert((used.storage?.readBytes ?? 0) >= 0)
      await driver.stop(running.handle, 0)
      assert.equal(await running.usage(), undefined)
    },
  },
  {
    name: 'output so far can be read without waiting for more',
    run: async ({ driver, task }) => {
      const running = await driver.start(task('talks', 'echo one; echo two; sleep 300'))
      const text = await eventually('its words', async () => {
        const seen = await textOf(running.output(0, { follow: false }))
        return seen === 'one\ntwo\n' ? seen : undefined
      })
      assert.equal(await textOf(running.output(-4, { follow: false })), text.slice(-4))
      await driver.stop(running.handle, 0)
      assert.equal(await textOf(running.output(0, { follow: false })), text)
    },
  },
  {
    name: 'a failing command is an exit code',
    run: async ({ driver, task }) => {
      const failing = await driver.start(task('fails', 'exit 3'))
      assert.deepEqual(await failing.wait(), { code: 3, reason: 'exited' })
      const killed = await driver.start(task('killed', 'kill -9 $$'))
      assert.deepEqual(await killed.wait(), { code: 137, reason: 'signalled' })
    },
  },
  {
    name: 'environment, working directory, files and mounts are there',
    needs: isolated,
    run: async ({ driver, task, scratch }) => {
      await mkdir(join(scratch, 'in'))
      await mkdir(join(scratch, 'out'))
      await writeFile(join(scratch, 'in', 'word'), 'given')
      const running = await driver.start(
        task(
          'sees',
          'pwd; echo "$A"; cat /data/d/own /in/word; stat -c %a /data/d/own; touch /in/no; cp /in/word /out/made; id -u',
          {
            env: { A: `it's "$HOME" \\ \n here` },
            workdir: '/srv/work',
            files: [{ path: '/data/d/own', content: 'own\n', mode: 0o640 }],
            mounts: [
              { source: join(scratch, 'in'), target: '/in' },
              { source: join(scratch, 'out'), target: '/out', writable: true },
            ],
          },
        ),
      )
      const text = await textOf(running.output())
      assert.match(text, /^\/srv\/work\nit's "\$HOME" \\ \n here\nown\ngiven640\n/)
      assert.match(text, /\n0\n$/)
      assert.equal(await readFile(join(scratch, 'out', 'made'), 'utf8'), 'given')
      assert(!existsSync(join(scratch, 'in', 'no')))
    },
  },
  {
    name: 'more commands run inside a task',
    run: async ({ driver, task }) => {
      const running = await driver.start(task('execs', 'echo up; sleep 300', { env: { A: 'a' } }))
      assert.deepEqual(
        await inside(running, 'cat; echo $A $B >&2; exit 4', { env: { B: 'b' }, input: Buffer.from('in\n') }),
        {
          code: 4,
          text: 'in\na b\n',
        },
      )
      const absent = await running.exec(['no-such-program'])
      await textOf(absent.output)
      assert.deepEqual(await absent.wait(), { code: 127, reason: 'exited' })
      const long = await running.exec(['sleep', '300'])
      long.kill('SIGKILL')
      assert.deepEqual(await long.wait(), { code: 137, reason: 'signalled' })
      await driver.stop(running.handle, 0)
      await assert.rejects(running.exec(['true']), ComputeError)
    },
  },
  {
    name: 'a command inside has a terminal, its size and its end',
    run: async ({ driver, task }) => {
      const running = await driver.start(task('types', 'sleep 300', { env: { A: 'a' } }))
      const terminal = await running.terminal(['sh'], { columns: 100, rows: 30 }, { env: { PS1: '', B: 'b' } })
      let said = ''
      terminal.output.on('data', (chunk: Buffer) => (said += chunk.toString()))
      const hears = (words: RegExp) =>
        eventually(`${words} in ${JSON.stringify(said)}`, async () => words.test(said) || undefined)
      terminal.input.write('stty size; tty; echo $A $B\n')
      await hears(/30 100\r\n\/dev\/pts\/\d+\r\na b\r\n/)
      await terminal.resize({ columns: 132, rows: 43 })
      terminal.input.write('stty size\n')
      await hears(/43 132\r\n/)
      // What is typed into a program that waits ends it as on any terminal.
      terminal.input.write('echo on; sleep 300\n')
      await hears(/\non\r\n/)
      terminal.input.write('\x03')
      terminal.input.write('echo over\n')
      await hears(/\nover\r\n/)
      terminal.input.write('exit 7\n')
      assert.deepEqual(await terminal.wait(), { code: 7, reason: 'exited' })
      const other = await running.terminal(['sleep', '300'], { columns: 80, rows: 24 })
      other.kill('SIGKILL')
      await other.wait()
      await driver.stop(running.handle, 0)
      await assert.rejects(running.terminal(['sh'], { columns: 80, rows: 24 }), ComputeError)
    },
  },
  {
    name: 'the next server finds what runs and what has ended',
    run: async ({ driver, task, restart }) => {
      const long = await driver.start(task('long', 'echo before; sleep 300'))
      for await (const _ of long.output()) break
      const done = await driver.start(task('done', 'echo done; exit 5'))
      await done.wait()
      const next = await restart()
      const found = await next.attach(JSON.parse(JSON.stringify(long.handle)))
      assert(found)
      const again = await next.start(task('long', 'echo before; sleep 300'))
      assert.equal(again.handle.id, 'long')
      await next.stop(long.handle, 0)
      assert.equal((await found.wait()).reason, 'signalled')
      assert.equal(await textOf(found.output()), 'before\n')
      const ended = await next.attach(done.handle)
      assert.deepEqual(await ended?.wait(), { code: 5, reason: 'exited' })
      assert(ended)
      assert.equal(await textOf(ended.output(2)), 'ne\n')
      await next.remove(done.handle)
      assert.equal(await next.attach(done.handle), undefined)
      assert.equal(await next.attach({ id: 'never', driver: next.name, data: {} }), undefined)
    },
  },
  {
    name: 'stop asks first and then ends',
    run: async ({ driver, task }) => {
      const polite = await driver.start(
        task('polite', 'trap "echo bye; exit 6" TERM; echo up; while :; do sleep 0.05; done'),
      )
      for await (const chunk of polite.output()) if (Buffer.from(chunk).includes('up')) break
      await driver.stop(polite.handle, 10)
      assert.deepEqual(await polite.wait(), { code: 6, reason: 'exited' })
      assert.equal(await textOf(polite.output()), 'up\nbye\n')
      const deaf = await driver.start(task('deaf', 'trap "" TERM; echo up; while :; do sleep 0.05; done'))
      for await (const chunk of deaf.output()) if (Buffer.from(chunk).includes('up')) break
      await driver.stop(deaf.handle, 0.2)
      assert.equal((await deaf.wait()).reason, 'signalled')
      await driver.stop(deaf.handle, 1)
    },
  },
  {
    name: 'what cannot start rejects, and can be removed',
    needs: isolated,
    run: async ({ driver, task, scratch }) => {
      await assert.rejects(
        driver.start(task('no-image', 'true', { image: { folder: join(scratch, 'absent') } })),
        (error) => {
          assert(error instanceof ComputeError)
          assert.equal(error.code, 'image')
          return true
        },
      )
      await assert.rejects(
        driver.start(task('no-mount', 'true', { mounts: [{ source: join(scratch, 'absent'), target: '/x' }] })),
        ComputeError,
      )
      for (const id of ['no-image', 'no-mount', 'never']) {
        await driver.remove({ id, driver: driver.name, data: {} })
        await driver.remove({ id, driver: driver.name, data: {} })
        assert.equal(await driver.attach({ id, driver: driver.name, data: {} }), undefined)
      }
    },
  },
  {
    name: 'a task sees nothing of the host but its system',
    needs: isolated,
    run: async ({ driver, task, scratch, folder }) => {
      await writeFile(join(scratch, 'canary'), 'CANARY')
      const running = await driver.start(
        task(
          'peeks',
          `cat ${scratch}/canary; ls ${folder} /work; ls -A /root /home; ls /tmp /run; cat /etc/shadow; ls -d /proc/[0-9]* | wc -l; ls -d /proc/${process.pid}; cat /proc/1/environ; ls /etc/ssh; for d in /dev/[a-z]*; do [ -b $d ] && echo BLOCK $d; done; echo core > /proc/sys/kernel/core_pattern; mount -t tmpfs none /mnt && echo MOUNTED; mknod /tmp/disk b 8 0 && echo MADE; chroot / sh -c 'cd /; ls ../../../../'; echo kernel $(cat /proc/kcore | head -c 4 | wc -c); ls /proc/1/root/ /proc/1/cwd/; hostname changed; echo 1 > /proc/sysrq-trigger`,
        ),
      )
      const text = await textOf(running.output())
      for (const secret of ['CANARY', 'BLOCK', 'MOUNTED', 'MADE', 'ssh_host_', 'record.json', `/proc/${process.pid}\n`])
        assert(!text.includes(secret), `${secret} in:\n${text}`)
      const shadow = existsSync('/etc/shadow') && process.geteuid?.() === 0 ? readFileSync('/etc/shadow', 'utf8') : ''
      for (const hash of shadow.match(/\$[^:]{10,}/g) ?? []) assert(!text.includes(hash))
      const processes = Number(/^(\d+)$/m.exec(text)?.[1])
      assert(processes > 0 && processes < 10, text)
    },
  },
  {
    name: 'a task beyond its memory is ended and says so',
    needs: (found) => (found.limits ? isolated(found) : 'limits are not enforced here'),
    run: async ({ driver, task }) => {
      const running = await driver.start(
        task('greedy', `perl -e '$x = "x" x (200 << 20); print length $x'`, {
          limits: { memoryMiB: 48, cpus: 1, processes: 50 },
        }),
      )
      assert.deepEqual(await running.wait(), { code: 137, reason: 'out-of-memory' })
    },
  },
  {
    name: 'a machine keeps its files over stop and start, and is forgotten by remove',
    needs: machines,
    run: async ({ driver, machine, restart }) => {
      const spec = machine('box', 'echo booted $(cat /var/count 2> /dev/null); echo x >> /var/count; sleep 300', {
        hostname: 'box-1',
        files: [{ path: '/var/fresh', content: 'fresh' }],
      })
      const first = await driver.start(spec)
      await eventually('the first boot', async () =>
        (await inside(first, 'cat /var/count')).text === 'x\n' ? true : undefined,
      )
      assert.equal((await inside(first, 'hostname; echo spoilt > /var/fresh; ln -s /etc /var/link')).text, 'box-1\n')
      await driver.stop(first.handle, 0.3)
      assert.equal((await first.wait()).reason, 'signalled')
      const next = await restart()
      const again = await next.start(spec)
      const { text } = await eventually('the second boot', async () => {
        const seen = await inside(again, 'cat /var/count /var/fresh /etc/hostname')
        return seen.text.startsWith('x\nx\n') ? seen : undefined
      })
      assert.equal(text, 'x\nx\nfreshbox-1\n')
      await next.stop(again.handle, 0)
      assert.equal(await textOf(again.output()), 'booted\nbooted x\n')
      await next.remove(again.handle)
      const fresh = await next.start(spec)
      await eventually('a boot of a new machine', async () =>
        (await inside(fresh, 'cat /var/count')).text === 'x\n' ? true : undefined,
      )
    },
  },
  {
    name: 'root of a machine is root of its own file system only',
    needs: (found) =>
      found.notes.some((note) => note.includes('no user but root'))
        ? 'inside there is no user but root'
        : machines(found),
    run: async ({ driver, machine }) => {
      const running = await driver.start(machine('owner', 'sleep 300'))
      const made = await inside(
        running,
        'groupadd staff2 && useradd -m -g staff2 bob && echo hi > /home/bob/f && chown bob:staff2 /home/bob/f && su bob -c "id -un; cat /home/bob/f; touch /etc/no || echo kept out"; echo new > /srv/tool && rm /srv/tool && echo wrote',
      )
      assert.match(made.text, /bob\nhi\n[\s\S]*kept out\nwrote\n$/)
      const as = await inside(running, 'id -un', { user: 'bob' })
      assert.deepEqual(as, { code: 0, text: 'bob\n' })
    },
  },
  {
    name: 'system folders are writable inside, and stay what they are outside',
    needs: (found) =>
      found.notes.some((note) => note.includes('system folders are read-only'))
        ? 'system folders are read-only here'
        : machines(found),
    run: async ({ driver, machine }) => {
      const running = await driver.start(machine('installs', 'sleep 300'))
      const tool = '/usr/local/bin/drydock-contract-tool'
      assert.deepEqual(
        await inside(
          running,
          `echo 'echo works' > ${tool} && chmod +x ${tool} && drydock-contract-tool && rm /usr/bin/who && ! ls /usr/bin/who 2> /dev/null`,
        ),
        { code: 0, text: 'works\n' },
      )
      assert(!existsSync(tool))
      assert(existsSync('/usr/bin/who'))
    },
  },
  {
    name: 'a machine cannot lead the next start out of its own files',
    needs: machines,
    run: async ({ driver, machine, scratch }) => {
      const spec = machine('sly', 'sleep 300', {
        files: [{ path: '/data/conf/file', content: 'written' }],
        mounts: [{ source: scratch, target: '/data/mnt' }],
      })
      const first = await driver.start(spec)
      await writeFile(join(scratch, 'victim'), 'untouched')
      await inside(
        first,
        `rm -rf /data/conf; ln -s ${scratch} /data/conf; mv /bin/sh /bin/sh2 2> /dev/null; ln -s ${scratch}/victim /etc/hosts2; rm /etc/hosts; ln -s ${scratch}/victim /etc/hosts`,
      )
      await driver.stop(first.handle, 0)
      await driver.start(spec).catch(() => {})
      assert.equal(await readFile(join(scratch, 'victim'), 'utf8'), 'untouched')
      assert(!existsSync(join(scratch, 'file')))
    },
  },
  {
    name: 'machines have addresses of their own, and packet rules hold, also when they change',
    needs: peers,
    run: async ({ driver, machine }) => {
      const serve = PERL_SERVER('hello')
      const [a, b, c] = await Promise.all([
        driver.start(machine('net-a', 'sleep 300', place('10.77.1.20', []))),
        driver.start(machine('net-b', serve, place('10.77.1.21', from('10.77.1.20/32')))),
        driver.start(
          machine(
            'net-c',
            serve,
            place('10.77.2.21', from('10.77.1.0/24'), { subnet: 'subnet-2', cidr: '10.77.2.0/24' }),
          ),
        ),
      ])
      const up = (task: RunningTask) =>
        eventually('a listener', async () => ((await inside(task, perlGet('127.0.0.1'))).code === 0 ? true : undefined))
      await Promise.all([up(b), up(c)])
      assert.match((await inside(a, perlGet('10.77.1.21'))).text, /hello 10\.77\.1\.20\n$/)
      assert.match((await inside(a, perlGet('10.77.2.21'))).text, /hello 10\.77\.1\.20\n$/)
      assert.match((await inside(b, perlGet('10.77.2.21'))).text, /hello 10\.77\.1\.21\n$/)
      // The same subnet, the other one: what no rule names does not arrive.
      assert.equal((await inside(c, perlGet('10.77.1.21'))).code, 7)
      await b.admit(from('10.77.2.0/24'))
      assert.match((await inside(c, perlGet('10.77.1.21'))).text, /hello 10\.77\.2\.21\n$/)
      assert.equal((await inside(a, perlGet('10.77.1.21'))).code, 7)
      assert.notEqual((await inside(b, 'nft flush ruleset')).code, 0)
      assert.notEqual((await inside(b, 'ip address add 10.77.1.99/24 dev eth0')).code, 0)
    },
  },
  {
    name: 'doors know whose request it is',
    needs: addresses,
    run: async ({ driver, machine, doors, restart }) => {
      const a = await driver.start(machine('door-a', 'sleep 300', place('10.77.1.20', [])))
      const b = await driver.start(machine('door-b', 'sleep 300', place('10.77.1.21', [])))
      const endpoint = new URL(driver.endpointFor(place('10.77.1.20', []).network))
      assert.equal((await inside(a, perlGet('169.254.169.254', 80, '/latest'))).code, 0)
      assert.equal((await inside(b, perlGet('169.254.170.2', 80))).code, 0)
      assert.equal((await inside(b, perlGet(endpoint.hostname, Number(endpoint.port)))).code, 0)
      const next = await restart()
      await next.attach(a.handle)
      const again = await next.attach(b.handle)
      assert(again)
      assert.equal((await inside(again, perlGet('169.254.169.254', 80))).code, 0)
      assert.deepEqual(doors, [
        { door: 'metadata', task: 'door-a', address: '10.77.1.20' },
        { door: 'credentials', task: 'door-b', address: '10.77.1.21' },
        { door: 'endpoint', task: 'door-b', address: '10.77.1.21' },
        { door: 'metadata', task: 'door-b', address: '10.77.1.21' },
      ])
    },
  },
  {
    name: 'a task with a way out reaches the doors and the world, neither this host nor another task',
    needs: (found) => isolated(found) ?? (found.outbound ? undefined : 'no networks with a way out here'),
    run: async ({ driver, task, doors, restart }) => {
      const says = async (words: string, host: string) => {
        const server = createServer((socket) => {
          socket.on('error', () => {})
          socket.end(words)
        })
        await new Promise<void>((done) => server.listen(0, host, done))
        const { port = 0 } = Object(server.address()) as { port?: number }
        return { server, port }
      }
      const everywhere = await says('of the host', '0.0.0.0')
      const published = await says('published', '127.64.77.30')
      try {
        await driver.open?.('outbound')
        const network = 'outbound' as const
        const a = await driver.start(task('out-a', PERL_SERVER('hello'), { network }))
        const b = await driver.start(task('out-b', 'sleep 300', { network }))
        const heard = async (host: string, port: number) => (await inside(b, perlGet(host, port))).text
        for await (const chunk of a.output()) if (Buffer.from(chunk).includes('listening')) break
        const own = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
        const addresses = own.filter(({ family, internal }) => family === 'IPv4' && !internal)
        for (const host of ['127.0.0.1', '127.64.77.31', ...addresses.map(({ address }) => address)])
          assert.doesNotMatch(await heard(host, everywhere.port), /of the host/)
        assert.match(await heard('127.64.77.30', published.port), /published/)
        const endpoint = new URL(driver.endpointFor(network))
        const ask = (running: RunningTask) => inside(running, perlGet(endpoint.hostname, Number(endpoint.port)))
        assert.equal((await ask(a)).code, 0)
        assert.match(await heard('169.254.170.2', 80), /"credentials"/)
        assert.doesNotMatch(await heard(doors[0]?.address ?? '', 8080), /hello/)
        assert.notEqual((await inside(b, 'nft flush ruleset')).code, 0)
        assert.notEqual((await inside(b, 'ip address add 169.254.64.99/18 dev eth0')).code, 0)
        const next = await restart()
        await next.attach(a.handle)
        const again = await next.attach(b.handle)
        assert(again)
        assert.equal((await ask(again)).code, 0)
        assert.match((await inside(again, perlGet('127.64.77.30', published.port))).text, /published/)
        assert.deepEqual(
          doors.map(({ door, task: whose }) => `${door} ${whose}`),
          ['endpoint out-a', 'credentials out-b', 'endpoint out-b'],
        )
      } finally {
        everywhere.server.close()
        published.server.close()
      }
    },
  },
  {
    name: 'a public port that rules admit is answered on the host, after a restart too',
    needs: addresses,
    run: async ({ driver, machine, restart }) => {
      const address = '127.64.77.20'
      const get = () =>
        fetch(`http://${address}:8080/`).then(
          (response) => response.text(),
          () => undefined,
        )
      const running = await driver.start(
        machine('public', PERL_SERVER('public'), place('10.77.1.20', from('10.0.0.0/8'), { publicAddress: address })),
      )
      for await (const chunk of running.output()) if (Buffer.from(chunk).includes('listening')) break
      assert.equal(await get(), undefined)
      await running.admit(from('0.0.0.0/0'))
      assert.match(await eventually('an answer', get), /^public /)
      const next = await restart()
      assert.equal(await get(), undefined)
      const found = await next.attach(running.handle)
      assert.match(await eventually('an answer after the restart', get), /^public /)
      await found?.admit([])
      await eventually('the port closed', async () => ((await get()) === undefined ? true : undefined))
    },
  },
  {
    name: 'everything a driver started ends with removeAll',
    run: async ({ driver, task }) => {
      const running = await driver.start(task('forever', 'echo up; sleep 300'))
      await driver.removeAll()
      assert.equal((await running.wait()).reason, 'signalled')
      assert.equal(await driver.attach(running.handle), undefined)
    },
  },
]
