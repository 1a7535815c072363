import type { FSWatcher } from 'node:fs'
import { watch } from 'node:fs'
import { open } from 'node:fs/promises'

/** Tells of changes; `undefined` where the host has no more watches to give: whoever waits looks now and then besides. */
export const watchIfPossible = (path: string, told: (name: string | null) => void): FSWatcher | undefined => {
  try {
    const watcher = watch(path, (_, name) => told(name))
    watcher.on('error', () => {})
    return watcher
  } catch {
    return undefined
  }
}

/** Yields a growing file from byte `from` on (negative: from its end) until `ended` says that nothing will be added. */
export async function* followFile(file: string, from: number, ended: Promise<unknown>): AsyncGenerator<Uint8Array> {
  let wake = () => {}
  let over = false
  let grown = false
  void ended.then(() => {
    over = true
    wake()
  })
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    // The task was removed a moment ago, and its output with it.
    if (error.code !== 'ENOENT') throw error
  })
  if (!handle) return
  const watcher = watchIfPossible(file, () => {
    grown = true
    wake()
  })
  try {
    for (let at = from < 0 ? Math.max(0, (await handle.stat()).size + from) : from; ; ) {
      const last = over
      grown = false
      const chunk = Buffer.allocUnsafe(65_536)
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
      if (bytesRead > 0) {
        at += bytesRead
        yield chunk.subarray(0, bytesRead)
      } else if (last) return
      else if (!over && !grown)
        // The watch may miss what happened before it was there; a look now and then costs nothing.
        await new Promise<void>((done) => {
          const timer = setTimeout(done, 500)
          wake = () => {
            clearTimeout(timer)
            done()
          }
        })
    }
  } finally {
    watcher?.close()
    await handle.close()
  }
}
