import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import type { Terminal, TerminalSize } from '../../compute/driver.ts'
import { flags } from './session-message.ts'

// What is at the far end of a data channel: a terminal, or one connection after another to a port.

/** The channel, as the far end sees it. */
export type Line = {
  /** What the session's document asks for, inside; `undefined` where nothing runs any more. Throws ComputeError. */
  readonly open: (size: TerminalSize) => Promise<Terminal | undefined>
  /** Shows what comes, until nothing more does. */
  readonly show: (output: Readable) => Promise<void>
  readonly flag: (flag: number) => void
  /** More may be typed. */
  readonly goOn: () => void
  /** Notes what went wrong and matters no more. */
  readonly lost: (error: unknown) => void
}

export type FarEnd = {
  /** Resolves when it is over, with what the client is told. */
  begin(): Promise<string>
  /** False: no more until the line is told to go on. */
  type(bytes: Buffer): boolean
  resize(size: TerminalSize): void
  /** The client's connection to the port is closed. */
  disconnect(): void
  kill(): void
}

const gone = 'The target is not connected any more.'

export const terminalEnd = (line: Line): FarEnd => {
  // What is typed before there is a terminal waits for it.
  const typed = new PassThrough()
  typed.on('drain', line.goOn)
  let terminal: Terminal | undefined
  let wanted = { columns: 80, rows: 24 }
  let fitted = wanted
  let fitting = false
  let killed = false

  /** Makes the terminal as large as the client's; what is typed meanwhile finds it so. */
  const adapt = async (to: Terminal): Promise<void> => {
    fitting = true
    typed.unpipe(to.input)
    while (fitted !== wanted) {
      fitted = wanted
      await to.resize(fitted).catch(line.lost)
    }
    fitting = false
    typed.pipe(to.input)
  }

  return {
    begin: async () => {
      fitted = wanted
      terminal = await line.open(fitted)
      if (!terminal) return gone
      terminal.input.on('error', line.lost)
      if (killed) terminal.kill('SIGKILL')
      adapt(terminal)
      await line.show(terminal.output)
      await terminal.wait()
      return ''
    },
    type: (bytes) => typed.write(bytes),
    resize: (size) => {
      wanted = size
      if (terminal && !fitting) adapt(terminal)
    },
    disconnect: () => {},
    kill: () => {
      killed = true
      terminal?.kill('SIGKILL')
    },
  }
}

/** Pieces that wait for a connection. */
const mostWaiting = 64

/** What is inside says that it is connected, and from then on is the connection. */
const connected = 6

const saysConnected = async (output: Readable): Promise<boolean> => {
  for (;;) {
    const first: Buffer | null = output.read(1)
    if (first) return first[0] === connected
    if (output.readableEnded) return false
    await Promise.race([once(output, 'readable'), once(output, 'end')])
  }
}

/** @param lasting whether the client may connect again; else the session ends with its connection, as one of SSH. */
export const portEnd = (line: Line, lasting: boolean): FarEnd => {
  const { promise: over, resolve: end, reject: fail } = Promise.withResolvers<string>()
  let present: { terminal: Terminal | undefined; waiting: Buffer[]; dropped: boolean } | undefined

  const connect = (): void => {
    dial().catch(fail)
  }
  const dial = async (): Promise<void> => {
    const mine: NonNullable<typeof present> = { terminal: undefined, waiting: [], dropped: false }
    present = mine
    const terminal = await line.open({ columns: 80, rows: 24 })
    if (!terminal) return end(gone)
    terminal.input.on('error', line.lost)
    terminal.input.on('drain', line.goOn)
    if (mine.dropped) return terminal.kill('SIGKILL')
    if (await saysConnected(terminal.output)) {
      mine.terminal = terminal
      for (const bytes of mine.waiting.splice(0)) terminal.input.write(bytes)
      line.goOn()
      if (mine.dropped) terminal.kill('SIGKILL')
      await line.show(terminal.output)
      if (!mine.dropped) line.flag(flags.disconnectToPort)
    } else line.flag(flags.connectToPortError)
    terminal.kill('SIGKILL')
    if (present === mine) present = undefined
    if (!lasting) end('')
  }
  const drop = () => {
    if (!present) return
    present.dropped = true
    present.terminal?.kill('SIGKILL')
    present = undefined
  }

  return {
    begin: () => {
      connect()
      return over
    },
    type: (bytes) => {
      if (!present) connect()
      if (present?.terminal) return present.terminal.input.write(bytes)
      return (present?.waiting.push(bytes) ?? 0) < mostWaiting
    },
    resize: () => {},
    disconnect: drop,
    kill: () => {
      drop()
      end('')
    },
  }
}
