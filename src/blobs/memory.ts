import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { type Blobs, failing, NoSuchBlobError } from './blobs.ts'

/** Blobs for tests: nothing outlives the process. */
export const memoryBlobs = (): Blobs => {
  const blobs = new Map<string, Uint8Array>()
  const newId = () => randomBytes(16).toString('hex')
  const keep = (bytes: Uint8Array, id = newId()): string => {
    blobs.set(id, bytes)
    return id
  }
  return {
    async writer() {
      let chunks: Uint8Array[] | undefined = []
      let size = 0
      const id = newId()
      return {
        id,
        get size() {
          return size
        },
        async write(chunk) {
          if (!chunks) throw new Error('This blob was already committed or cancelled.')
          chunks.push(Uint8Array.from(chunk))
          size += chunk.length
        },
        async commit() {
          if (!chunks) throw new Error('This blob was already committed or cancelled.')
          const bytes = Buffer.concat(chunks)
          chunks = undefined
          return keep(bytes, id)
        },
        async cancel() {
          chunks = undefined
        },
      }
    },
    put: async (bytes) => keep(Uint8Array.from(bytes)),
    open(id, { start = 0, end } = {}) {
      const bytes = blobs.get(id)
      if (!bytes) return failing(new NoSuchBlobError(id))
      const stream = new Readable({ read() {} })
      const part = bytes.slice(start, Math.max(start, end ?? bytes.length))
      if (part.length > 0) stream.push(part)
      stream.push(null)
      return stream
    },
    async get(id) {
      const bytes = blobs.get(id)
      if (!bytes) throw new NoSuchBlobError(id)
      return bytes.slice()
    },
    size: async (id) => blobs.get(id)?.length,
    delete: async (id) => {
      blobs.delete(id)
    },
    async *ids() {
      yield* [...blobs.keys()]
    },
    reset: async () => blobs.clear(),
  }
}
