import { styleText } from 'node:util'

export type Row = { readonly step: string; readonly result: string; readonly seconds: number; readonly ok: boolean }

/** What a step found to be wrong: the demo says it and ends with exit code 1. */
export class Wrong extends Error {}

/** Runs steps one after the other, says what happens, and keeps the rows of the closing table. */
export const progress = (write: (line: string) => void = console.log) => {
  const rows: Row[] = []
  return {
    rows,
    /** A line on what is going on within the present step. */
    note: (text: string) => write(styleText('dim', `    ${text}`)),
    step: async <T>(step: string, run: () => Promise<{ result: string; value?: T }>): Promise<T | undefined> => {
      write(`${styleText('cyan', '▸')} ${step}`)
      const started = performance.now()
      const seconds = () => (performance.now() - started) / 1000
      try {
        const { result, value } = await run()
        rows.push({ step, result, seconds: seconds(), ok: true })
        write(`${styleText('green', '✓')} ${result} ${styleText('dim', `(${seconds().toFixed(1)} s)`)}`)
        return value
      } catch (error) {
        const result = error instanceof Error ? error.message : String(error)
        rows.push({ step, result, seconds: seconds(), ok: false })
        write(`${styleText('red', '✗')} ${result}`)
        throw error
      }
    },
    table: () => {
      const width = Math.max(...rows.map(({ step }) => step.length))
      write('')
      for (const { step, result, seconds, ok } of rows)
        write(`${ok ? 'ok  ' : 'FAIL'} ${step.padEnd(width)}  ${seconds.toFixed(1).padStart(5)} s  ${result}`)
    },
  }
}
export type Progress = ReturnType<typeof progress>
