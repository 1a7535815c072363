import { incompleteBody } from '../../kernel/errors.ts'
import { fail } from './operation.ts'

// `multipart/form-data` (RFC 7578), read as it comes: fields until the file, then the file's bytes. A pure engine.

export type Form = {
  /** In the order of the form, names in lower case; of a name that comes twice the last. */
  readonly fields: ReadonlyMap<string, string>
  readonly file: { readonly name: string; readonly contentType?: string; readonly bytes: AsyncGenerator<Buffer> }
}

/** Most bytes before the file ("POST Object", S3 API reference). */
const mostBefore = 20 * 1024

const malformed = () =>
  fail('MalformedPOSTRequest', 'The body of your POST request is not well-formed multipart/form-data.')
const tooLong = () =>
  fail('MaxPostPreDataLengthExceededError', 'Your POST request fields preceding the upload file were too large.', {
    MaxLength: mostBefore,
  })

/** The boundary that a Content-Type names. Throws MalformedPOSTRequest. */
export const boundaryOf = (contentType: string): string => {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))/i.exec(contentType) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw malformed()
  return boundary
}

const parameter = (header: string, name: string): string | undefined => {
  const [, quoted, plain] = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, 'i').exec(header) ?? []
  return quoted?.replace(/\\(["\\])/g, '$1') ?? plain
}

/**
 * Reads fields up to the file; its bytes are left to be read. Throws MalformedPOSTRequest,
 * MaxPostPreDataLengthExceededError, InvalidArgument without a file; reading the file throws IncompleteBody where the
 * body breaks off.
 */
export const readForm = async (source: AsyncIterator<Uint8Array>, boundary: string): Promise<Form> => {
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  // So that the first delimiter, which nothing need precede, is found like all others.
  let held = Buffer.from('\r\n')
  let ended = false
  let before = 0
  const more = async (): Promise<void> => {
    const { value, done } = await source.next()
    if (done) ended = true
    else held = Buffer.concat([held, value])
  }
  /** The bytes up to a mark, which is taken too. */
  const until = async (mark: Uint8Array): Promise<Buffer> => {
    for (let from = 0; ; ) {
      const at = held.indexOf(mark, from)
      if (before + (at < 0 ? held.length : at) > mostBefore) throw tooLong()
      if (at >= 0) {
        const found = held.subarray(0, at)
        held = held.subarray(at + mark.length)
        before += at + mark.length
        return found
      }
      if (ended) throw malformed()
      from = Math.max(0, held.length - mark.length + 1)
      await more()
    }
  }
  async function* fileBytes(): AsyncGenerator<Buffer> {
    for (;;) {
      const at = held.indexOf(delimiter)
      if (at > 0) yield held.subarray(0, at)
      if (at >= 0) return
      const safe = held.length - delimiter.length + 1
      if (safe > 0) {
        yield held.subarray(0, safe)
        held = held.subarray(safe)
      }
      if (ended) throw incompleteBody()
      await more()
    }
  }

  const fields = new Map<string, string>()
  await until(delimiter)
  for (;;) {
    const rest = (await until(Buffer.from('\r\n'))).toString('latin1')
    if (rest.startsWith('--')) break
    if (rest.trim() !== '') throw malformed()
    const headers: string[] = []
    for (let line = await until(Buffer.from('\r\n')); line.length > 0; line = await until(Buffer.from('\r\n')))
      headers.push(line.toString('utf8'))
    const disposition = headers.find((line) => /^content-disposition:/i.test(line)) ?? ''
    const name = parameter(disposition, 'name')?.toLowerCase()
    if (name === undefined) throw malformed()
    if (name === 'file') {
      const contentType = headers.find((line) => /^content-type:/i.test(line))?.replace(/^content-type:\s*/i, '')
      const path = parameter(disposition, 'filename') ?? ''
      const file = { name: path.replace(/^.*[\\/]/s, ''), ...(contentType ? { contentType } : {}), bytes: fileBytes() }
      return { fields, file }
    }
    fields.set(name, (await until(delimiter)).toString('utf8'))
  }
  throw fail('InvalidArgument', 'POST requires exactly one file upload per request.', {
    ArgumentName: 'file',
    ArgumentValue: 0,
  })
}
