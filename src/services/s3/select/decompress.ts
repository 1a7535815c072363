import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { bunzip2 } from './bzip2.ts'
import { failure } from './failure.ts'

export type Compression = 'NONE' | 'GZIP' | 'BZIP2'

/** Node's own code of an error of zlib. */
const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error && !('status' in error) ? error.code : undefined

async function* gunzipped(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unzip = createGunzip()
  pipeline(Readable.from(source), unzip, () => undefined)
  try {
    for await (const chunk of unzip) yield chunk as Uint8Array
  } catch (error) {
    if (codeOf(error) === 'Z_BUF_ERROR') throw failure('TruncatedInput')
    if (String(codeOf(error)).startsWith('Z_')) throw failure('InvalidCompressionFormat')
    throw error
  } finally {
    unzip.destroy()
  }
}

/** The bytes as they were before they were compressed. Throws InvalidCompressionFormat, TruncatedInput. */
export const decompressed = (
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncIterable<Uint8Array> => {
  if (compression === 'GZIP') return gunzipped(source)
  return compression === 'BZIP2' ? bunzip2(source) : source
}
