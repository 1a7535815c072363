import { randomUUID } from 'node:crypto'
import { PassThrough, type Writable } from 'node:stream'
import { ComputeError, type Execution, type Terminal, type TerminalSize } from './driver.ts'
import { quote } from './sandbox/host.ts'

/** Where pseudo terminals are, as the shell inside told us: nothing else becomes an argument. */
const terminalFile = /^\/dev\/pts\/\d{1,6}$/

const sizeOf = ({ columns, rows }: TerminalSize): string => `rows ${rows} cols ${columns}`

/**
 * A terminal where there is none: `script` (util-linux, on every Debian and Fedora) makes it inside, among the task's own
 * devices, and the shell on it first says which one it is.
 * @param run runs a command with its standard input kept open.
 * @param exec runs one more beside it.
 */
export const openTerminal = async (
  command: readonly string[],
  size: TerminalSize,
  run: (command: readonly string[]) => Promise<Execution & { readonly input: Writable }>,
  exec: (command: readonly string[]) => Promise<Execution>,
): Promise<Terminal> => {
  const mark = `\x1e${randomUUID()} `
  const first = `stty sane ${sizeOf(size)}; printf '\\036%s %s\\n' ${quote(mark.slice(1, -1))} "$(tty)"; exec ${command.map(quote).join(' ')}`
  const running = await run([
    '/bin/sh',
    '-c',
    'SHELL=/bin/sh exec script -qefc "$1" /dev/null',
    'drydock-terminal',
    first,
  ])
  const output = new PassThrough()
  const file = await new Promise<string | undefined>((told) => {
    let heard = Buffer.alloc(0)
    const listen = (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk])
      const from = heard.indexOf(mark)
      const to = heard.indexOf(10, Math.max(0, from))
      if (from >= 0 && to >= 0) {
        running.output.off('data', listen)
        output.write(heard.subarray(to + 1))
        running.output.pipe(output)
        told(heard.toString('utf8', from + mark.length, to).trim())
      } else if (heard.length > 4096) told(undefined)
    }
    running.output.on('data', listen)
    running.output.on('end', () => told(undefined))
  })
  if (file === undefined || !terminalFile.test(file)) {
    running.kill('SIGKILL')
    throw new ComputeError(
      'unsupported',
      'The image has no program that makes a terminal (script of util-linux, stty).',
    )
  }
  return {
    output,
    input: running.input,
    wait: running.wait,
    kill: running.kill,
    resize: async ({ columns, rows }) => {
      const { output: said, wait } = await exec(['stty', '-F', file, 'rows', String(rows), 'cols', String(columns)])
      said.resume()
      await wait()
    },
  }
}
