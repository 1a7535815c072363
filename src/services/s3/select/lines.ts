import { isUtf8 } from 'node:buffer'
import { failure } from './failure.ts'

// Bytes cut at delimiters, with bounded memory. A pure engine.

/** Characters of a record, in the input or the result; for the input we count bytes. */
export const longestRecord = 1024 * 1024

/** Which lines count: those that begin in a range of bytes, both ends in it. */
export type Scan = { readonly start: number; readonly end: number }

export type LineReader = {
  /** The lines that end in these bytes. */
  readonly push: (bytes: Buffer) => Generator<string>
  /** The last line, where no delimiter follows it. */
  readonly finish: () => Generator<string>
  /** No later line can count. */
  readonly isOver: () => boolean
}

/**
 * Cuts bytes into lines. With a scan, the bytes are those from `firstByte(scan, delimiter)` on. Throws OverMaxRecordSize,
 * InvalidTextEncoding.
 */
export const lineReader = (delimiterText: string, scan?: Scan): LineReader => {
  const delimiter = Buffer.from(delimiterText)
  let held: Buffer = Buffer.alloc(0)
  let searched = 0
  /** Where `held` begins in the object. */
  let offset = scan ? firstByte(scan, delimiterText) : 0
  let skipping = scan !== undefined && scan.start > 0
  let over = false
  const line = (bytes: Buffer, start: number): string | undefined => {
    if (skipping) {
      skipping = false
      return undefined
    }
    if (scan && start > scan.end) {
      over = true
      return undefined
    }
    if (bytes.length > longestRecord) throw failure('OverMaxRecordSize')
    if (!isUtf8(bytes)) throw failure('InvalidTextEncoding')
    const text = bytes.toString('utf8')
    return start === 0 && text.startsWith('\ufeff') ? text.slice(1) : text
  }
  return {
    push: function* (bytes) {
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      let at = 0
      for (;;) {
        const found = held.indexOf(delimiter, Math.max(at, searched))
        if (found < 0 || over) break
        const text = line(held.subarray(at, found), offset + at)
        at = found + delimiter.length
        if (text !== undefined) yield text
      }
      held = held.subarray(at)
      offset += at
      searched = Math.max(0, held.length - delimiter.length + 1)
      if (held.length <= longestRecord + delimiter.length) return
      if (!skipping) throw failure('OverMaxRecordSize')
      // What is skipped need not be held, but for the beginning of a delimiter.
      offset += searched
      held = held.subarray(searched)
      searched = 0
    },
    finish: function* () {
      if (held.length === 0 || over) return
      const text = line(held, offset)
      if (text !== undefined) yield text
    },
    isOver: () => over,
  }
}

/** Where reading begins for a scan: at what may be the delimiter before the first line. */
export const firstByte = ({ start }: Scan, delimiter: string): number =>
  Math.max(0, start - Buffer.byteLength(delimiter))
