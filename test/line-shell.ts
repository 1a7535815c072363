import type { TerminalBehaviour } from '../src/compute/fake.ts'

type Answer = (line: string, task: Parameters<TerminalBehaviour>[1]) => string | Promise<string>

/** A shell for the fake driver's terminals: it knows `stty size`, `tty`, `exit CODE` and Ctrl-C; what else is typed is answered by the story. */
export const lineShell =
  (answer: Answer = () => ''): TerminalBehaviour =>
  async (_, task) => {
    let typed = ''
    for await (const chunk of task.input) {
      typed = `${typed}${chunk}`.replaceAll('\x03', '')
      for (let end = typed.indexOf('\n'); end >= 0; end = typed.indexOf('\n')) {
        const line = typed.slice(0, end).trim()
        typed = typed.slice(end + 1)
        for (const word of line.split(/\s*;\s*/)) {
          const { columns, rows } = task.size()
          if (/^exit\b/.test(word)) return Number(word.slice(4)) || 0
          if (word === 'stty size') task.write(`${rows} ${columns}\r\n`)
          else if (word === 'tty') task.write('/dev/pts/0\r\n')
          else task.write((await answer(word, task)).replaceAll('\n', '\r\n'))
        }
      }
    }
    return 0
  }
