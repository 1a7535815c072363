import { Readable } from 'node:stream'

/** Bytes on their way in. Exactly one of `commit` and `cancel` ends it; until `commit` resolves no reader sees it. */
export interface BlobWriter {
  /** Resolves when the chunk is taken: await it, that is the back-pressure. */
  write(chunk: Uint8Array): Promise<void>
  /** Number of bytes taken so far. */
  readonly size: number
  /** The id the blob will have: for noting it before `commit`, so that a blob no row came to name can be found. */
  readonly id: string
  /** Makes the bytes durable and returns their id. */
  commit(): Promise<string>
  cancel(): Promise<void>
}

/** Bytes named by an id of our making, never by user input. Blobs do not change; a new version is a new blob. */
export interface Blobs {
  writer(): Promise<BlobWriter>
  /** Small bytes at once. */
  put(bytes: Uint8Array): Promise<string>
  /** The bytes from `start` (inclusive) to `end` (exclusive), read as they are asked for. Rejects or errors when there is no such blob. */
  open(id: string, range?: { start?: number; end?: number }): Readable
  /** All bytes at once: for small blobs. */
  get(id: string): Promise<Uint8Array>
  size(id: string): Promise<number | undefined>
  /** Deleting a blob that is not there is no error. A reader that already opened it may finish. */
  delete(id: string): Promise<void>
  /** Ids of all blobs, in no order: for finding those no row names. */
  ids(): AsyncIterable<string>
  reset(): Promise<void>
}

/** There is no blob of this id: it was deleted, or never committed. */
export class NoSuchBlobError extends Error {
  constructor(id: string) {
    super(`There is no blob ${id}.`)
    this.name = 'NoSuchBlobError'
  }
}

/** A stream that fails once it is read, so that no error goes past a reader who is not listening yet. */
export const failing = (error: unknown): Readable =>
  new Readable({
    read() {
      this.destroy(error instanceof Error ? error : new Error(String(error)))
    },
  })
