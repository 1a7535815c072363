// The way out of the network that builds have for themselves. Two roles of one file:
//
//   inside FD     in that network's namespace, for a moment: opens the doors there, and hands them on
//   outside JSON  on the host, as long as the network is there, whoever serves: takes what comes through the doors
//
// Connections of guests are accepted for the address they were meant for (TPROXY) and made anew from here, so a guest reaches
// what the host reaches, except the host itself: not its loopback, not its own addresses, not a cloud's metadata.

import type { SendHandle } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { connect, createServer, Server, type Socket } from 'node:net'
import { mayReach, type RelayOptions, relayDoors, resolver } from './reach.ts'

type Handed = { readonly what: 'credentials' | 'endpoint' | 'out' | 'names' | 'ready' }

const send = (message: Handed, handle?: SendHandle) =>
  new Promise<void>((done) => process.send?.(message, handle, {}, () => done()))

const inside = async (fd: number): Promise<void> => {
  process.on('disconnect', () => process.exit(0))
  const open = (what: Handed['what'], at: { host: string; port: number } | { fd: number }) =>
    new Promise<void>((done, fail) => {
      // Who comes in the instant before it is handed on is sent away, and tries again.
      const server = createServer((socket) => socket.destroy())
      server.on('error', fail)
      server.listen(at, async () => {
        await send({ what }, server)
        server.close()
        done()
      })
    })
  for (const { name, host, port } of relayDoors) await open(name, { host, port })
  await open('out', { fd })
  const names = createSocket('udp4')
  await new Promise<void>((done) => names.bind(53, resolver, done))
  await send({ what: 'names' }, names)
  await send({ what: 'ready' })
}

const nameServers = (): string[] => {
  try {
    const text = readFileSync('/etc/resolv.conf', 'utf8')
    return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = '']) => address)
  } catch {
    return []
  }
}

/** Questions that wait for an answer; more are dropped, and asked again by who asked. */
const questionLimit = 1024
const answerWithin = 5000

const resolve = (names: Datagrams): void => {
  let asked = 0
  names.on('error', () => {})
  names.on('message', (question, from) => {
    const [server] = nameServers()
    if (!server || asked >= questionLimit) return
    asked += 1
    const upstream = createSocket(server.includes(':') ? 'udp6' : 'udp4')
    let open = true
    const end = () => {
      if (!open) return
      open = false
      asked -= 1
      clearTimeout(late)
      upstream.close()
    }
    const late = setTimeout(end, answerWithin)
    upstream.on('error', end)
    upstream.on('message', (answer) => {
      names.send(answer, from.port, from.address)
      end()
    })
    // Connected: only the name server's own answers are taken.
    upstream.connect(53, server, () => upstream.send(question))
  })
}

const join = (guest: Socket, other: Socket): void => {
  guest.allowHalfOpen = true
  other.allowHalfOpen = true
  guest.on('close', () => other.destroy())
  other.on('close', () => guest.destroy())
  guest.pipe(other)
  other.pipe(guest)
}

const goOut = (guest: Socket): void => {
  guest.on('error', () => {})
  const { localAddress = '', localPort = 0 } = guest
  const address = localAddress.replace(/^::ffff:/, '')
  const names = address === resolver && localPort === 53 ? nameServers()[0] : undefined
  if (names === undefined && !mayReach(address, localPort)) return void guest.resetAndDestroy()
  guest.pause()
  const other = connect({ host: names ?? address, port: localPort, allowHalfOpen: true })
  other.on('error', () => guest.resetAndDestroy())
  other.on('connect', () => join(guest, other))
  guest.on('close', () => other.destroy())
}

/** How long a guest waits for a server that is being started again. */
const patience = 30_000
const retryEvery = 200

const goIn = (guest: Socket, door: string, doors: string): void => {
  guest.on('error', () => {})
  guest.pause()
  const address = (guest.remoteAddress ?? '').replace(/^::ffff:/, '')
  const until = Date.now() + patience
  const attempt = (): void => {
    if (guest.destroyed) return
    const server = connect({ path: doors, allowHalfOpen: true })
    let there = false
    server.on('connect', () => {
      there = true
      server.write(`${door} ${address}\n`)
      join(guest, server)
    })
    server.on('error', () => {
      if (there || Date.now() > until) guest.destroy()
      else setTimeout(attempt, retryEvery)
    })
  }
  attempt()
}

const outside = (options: RelayOptions): void => {
  const { folder, doors, holder, enter } = options
  const [program = '', ...args] = enter
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], cwd: '/' })
  child.on('error', () => process.exit(1))
  let ready = false
  child.on('exit', () => {
    if (!ready) process.exit(1)
  })
  child.on('message', (message, handle: unknown) => {
    const { what } = message as Handed
    if (what === 'ready') {
      ready = true
      child.disconnect()
      writeFileSync(`${folder}/relay`, readFileSync('/proc/self/stat', 'utf8'), { flag: 'wx' })
      try {
        writeSync(3, 'ready\n')
      } catch {
        // Whoever waited for it is gone; the next one finds it by its name.
      }
    } else if (what === 'names') resolve(handle as Datagrams)
    else if (handle instanceof Server)
      handle.on('connection', (guest: Socket) => (what === 'out' ? goOut(guest) : goIn(guest, what, doors)))
  })
  setInterval(() => {
    if (existsSync(`/proc/${holder}`) && existsSync(folder)) return
    try {
      process.kill(holder, 'SIGKILL')
    } catch {}
    process.exit(0)
  }, 5000)
}

const [, , role, given = ''] = process.argv
if (role === 'inside' && process.send) await inside(Number(given))
if (role === 'outside') outside(JSON.parse(given) as RelayOptions)
