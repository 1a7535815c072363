import type { FSWatcher } from 'node:fs'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Exit } from '../driver.ts'
import { watchIfPossible } from './follow.ts'
import type { ProcessId } from './host.ts'
import { isAlive } from './host.ts'

/** One life of a task, from a start to its end. */
export type Life = { readonly id: string; readonly supervisor: ProcessId; readonly exit: Promise<Exit>; ended: boolean }

/** The status that a supervisor left, `undefined` as long as there is none. */
export const readExit = (file: string): number | undefined => {
  try {
    const text = readFileSync(file, 'utf8')
    return /^\d+\n$/.test(text) ? Number(text) : undefined
  } catch {
    return undefined
  }
}

/** Codes above 128 are signals, as every shell reports them. */
export const toExit = (code: number, outOfMemory: boolean): Exit => ({
  code,
  reason: code > 128 && code <= 192 ? (outOfMemory ? 'out-of-memory' : 'signalled') : 'exited',
})

/** Watches for the ends of tasks, whoever started them: supervisors write `exits/<id>`. */
export class Endings {
  readonly folder: string
  readonly #settle: (id: string, code: number | undefined) => Promise<Exit>
  readonly #waiting = new Map<string, { life: Life; resolve: (exit: Exit) => void }>()
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined

  /** `settle` turns a status into the exit and clears up; it runs once per life, before anybody is told. */
  constructor(folder: string, settle: (id: string, code: number | undefined) => Promise<Exit>) {
    this.folder = folder
    this.#settle = settle
  }

  file(id: string): string {
    return join(this.folder, id)
  }

  /** Begins to wait for the end of a task whose supervisor runs, or has run. */
  expect(id: string, supervisor: ProcessId): Life {
    const { promise, resolve } = Promise.withResolvers<Exit>()
    const life: Life = { id, supervisor, exit: promise, ended: false }
    this.#waiting.set(id, { life, resolve })
    this.#watch()
    this.check(id)
    return life
  }

  /** Looks now. */
  check(id: string): void {
    const entry = this.#waiting.get(id)
    if (!entry) return
    let code = readExit(this.file(id))
    if (code === undefined) {
      if (isAlive(entry.life.supervisor)) return
      // It may have written its last word between the two looks.
      code = readExit(this.file(id))
    }
    this.#waiting.delete(id)
    void this.#settle(id, code).then((exit) => {
      entry.life.ended = true
      entry.resolve(exit)
    })
    if (this.#waiting.size === 0) this.close()
  }

  #watch() {
    if (this.#timer) return
    mkdirSync(this.folder, { recursive: true })
    this.#watcher = watchIfPossible(this.folder, (name) => void (name && this.check(name)))
    // Who was killed together with its supervisor leaves nothing to be notified of.
    this.#timer = setInterval(() => {
      for (const id of [...this.#waiting.keys()]) this.check(id)
    }, 500)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#watcher?.close()
    this.#watcher = undefined
  }
}
