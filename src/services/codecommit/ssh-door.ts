// Git over SSH on a port of its own: IAM users sign in with the public keys they uploaded, and can do nothing but git.

import { createHash, generateKeyPairSync } from 'node:crypto'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Connection, ServerChannel, Session } from 'ssh2'
import type { House, PortDoor } from '../../kernel/service.ts'
import { sshKeys } from '../capabilities.ts'
import { readGitCommand, serveGitCommand } from './ssh-git.ts'
import { isProven } from './ssh-sign-in.ts'

/** How long a client may take to sign in, and how long one that has nothing under way may stay. Milliseconds. */
const patience = { signIn: 30_000, idle: 10 * 60_000, goodbye: 1_000 }
const most = { connections: 500, channels: 10, attempts: 20 }

/** CodeCommit user guide, "Setup steps for SSH connections": what a client that asks for a shell is told. */
const greeting =
  'You have successfully authenticated over SSH. You can use Git to interact with AWS CodeCommit. Interactive shells are not supported.'

/** Git over SSH, where the server's configuration has a port for it. */
export const sshDoor: PortDoor = {
  name: 'ssh',
  open: async (house) => {
    // Not imported above: whoever serves no SSH need not wait for it.
    const { default: ssh2 } = await import('ssh2')
    const hostKey = house.secret('ssh-host-key', newHostKey)
    const lines = new Map<string, Line>()
    const ssh = new ssh2.Server(
      { hostKeys: [hostKey], ident: 'AWSCodeCommit', keepaliveInterval: 30_000, keepaliveCountMax: 3 },
      (connection, { ip, port, header }) => {
        const line = lines.get(`${ip} ${port}`)
        // What is wrong with a connection ends it, and its end is told by `close`.
        connection.on('error', (error) => house.log.debug('an SSH connection broke', { error: error.message }))
        if (line) receive(house, connection, line, header.identRaw)
        else connection.end()
      },
    )
    // A listener of ours before ssh2's own: it sees clients that have not said a word yet.
    const server = createServer((socket) => {
      const name = `${socket.remoteAddress} ${socket.remotePort}`
      lines.set(name, lineOf(socket))
      socket.once('close', () => lines.delete(name))
      ssh.injectSocket(socket)
    })
    server.maxConnections = most.connections
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'EADDRINUSE' ? new Error(`SSH port ${house.port} on ${house.host} is taken`) : error),
      )
      server.listen(house.port, house.host, resolve)
    })
    return {
      port: (server.address() as AddressInfo).port,
      about: `git over SSH, host key ${fingerprint(ssh2.utils.parseKey(hostKey))}`,
      close: async () => {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()))
        for (const line of lines.values()) line.socket.destroy()
        await closed
      },
    }
  },
}

/** In the form that ssh2 reads. Its own generator now and then writes keys that it cannot read. */
const newHostKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }).toString()

const fingerprint = (key: ReturnType<typeof import('ssh2').utils.parseKey>): string => {
  if (key instanceof Error || Array.isArray(key)) throw new Error('The SSH host key cannot be read.')
  const digest = createHash('sha256').update(key.getPublicSSH()).digest('base64')
  return `SHA256:${digest.replace(/=+$/, '')}`
}

/** A client's connection, and how long it still may do nothing. */
type Line = {
  readonly socket: Socket
  readonly sourceIp: string
  readonly wait: (milliseconds: number) => void
  readonly stay: () => void
}

const lineOf = (socket: Socket): Line => {
  let leave: NodeJS.Timeout | undefined
  const stay = () => clearTimeout(leave)
  const wait = (milliseconds: number) => {
    stay()
    if (!socket.destroyed) leave = setTimeout(() => socket.destroy(), milliseconds)
  }
  wait(patience.signIn)
  socket.once('close', stay)
  return { socket, sourceIp: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''), wait, stay }
}

const receive = (house: House, connection: Connection, line: Line, userAgent: string): void => {
  const from = { sourceIp: line.sourceIp, userAgent }
  const drop = () => {
    connection.end()
    line.wait(patience.goodbye)
  }
  let keyId: string | undefined
  let attempts = 0
  const sessions = new Set<AbortController>()
  connection.on('authentication', (attempt) => {
    if (++attempts > most.attempts) return drop()
    const users = house.visit({ ...from, path: '' }).ctx.use(sshKeys)
    isProven(users, attempt).then(
      (proven) => {
        if (!proven) return attempt.reject(['publickey'])
        if (proven === 'signed') keyId = attempt.username
        attempt.accept()
      },
      (error) => {
        house.log.error('a user could not be looked up for SSH', { error: String(error) })
        attempt.reject()
      },
    )
  })
  connection.on('ready', () => line.wait(patience.idle))
  line.socket.once('close', () => {
    for (const gone of sessions) gone.abort()
  })
  connection.on('session', (accept, reject) => {
    if (keyId === undefined || sessions.size >= most.channels) return reject()
    const session = accept()
    const gone = new AbortController()
    sessions.add(gone)
    session.on('close', () => {
      gone.abort()
      sessions.delete(gone)
      if (sessions.size === 0) line.wait(patience.idle)
    })
    serveSession(house, session, { ...from, keyId, gone: gone.signal, drop, stay: line.stay })
  })
}

type Guest = {
  readonly sourceIp: string
  readonly userAgent: string
  readonly keyId: string
  /** Aborted when nobody listens any more. */
  readonly gone: AbortSignal
  readonly drop: () => void
  /** Something is under way: the connection may last. */
  readonly stay: () => void
}

/** One session of a client that has signed in: one command of git's. Terminals, forwarding and subsystems ssh2 refuses by itself. */
const serveSession = (house: House, session: Session, guest: Guest): void => {
  let version: string | undefined
  let begun = false
  session.on('env', (accept, reject, { key, val }) => {
    const known = key === 'GIT_PROTOCOL' && /^version=[0-2]$/.test(val)
    if (known) version = val
    // There is nothing to call where the client asked for no reply.
    const reply = known ? accept : reject
    reply?.()
  })
  session.on('shell', (accept, reject) => {
    if (begun) return reject()
    begun = true
    end(accept(), 1, greeting)
  })
  session.on('exec', (accept, reject, { command }) => {
    if (begun) return reject()
    begun = true
    guest.stay()
    const channel = accept()
    serveCommand(house, channel, guest, version, command).catch((error) => {
      house.log.error('git over SSH failed', { error: error instanceof Error ? error.stack : String(error) })
      end(channel, 128, 'Internal failure.')
    })
  })
}

const serveCommand = async (
  house: House,
  channel: ServerChannel,
  guest: Guest,
  version: string | undefined,
  line: string,
): Promise<void> => {
  const { sourceIp, userAgent, keyId, gone, drop } = guest
  const command = readGitCommand(line)
  if (!command)
    return end(channel, 128, "Only git-upload-pack and git-receive-pack '/v1/repos/NAME' can be run over SSH.")
  const { ctx, actAs, audit } = house.visit({ sourceIp, userAgent, path: command.path })
  // The connection may be older than what has become of the key.
  const owner = await ctx.use(sshKeys).find(keyId)
  if (!owner) return end(channel, 128, 'The SSH key is not active any more.')
  const visitor = { ctx: actAs(owner.principal), protocol: 'SSH', audit, version } as const
  const { code, message } = await serveGitCommand(visitor, command, { channel, gone, drop })
  end(channel, code, message)
}

/** The last that a client hears: a sentence on standard error, and the exit code. */
const end = (channel: ServerChannel, code: number, message?: string): void => {
  if (message !== undefined) channel.stderr.write(`${message}\n`)
  channel.exit(code)
  channel.end()
}
