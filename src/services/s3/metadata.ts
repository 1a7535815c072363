import { fail } from './operation.ts'

// User metadata on the wire ("Working with object metadata", S3 user guide): headers are US-ASCII, so that other characters
// travel as encoded words (RFC 2047), which S3 reads when they come and writes when they go.

const largestMetadata = 2048

const encodedWord = /=\?([\w-]+)\?([bq])\?([^?\s]*)\?=/gi
const charsets: Readonly<Record<string, BufferEncoding>> = {
  'utf-8': 'utf8',
  'us-ascii': 'latin1',
  'iso-8859-1': 'latin1',
}

const quotedPrintable = (text: string): Buffer =>
  Buffer.from(
    text.replaceAll('_', ' ').replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )

/** What encoded words stand for; those in a character set that is not ours stay as they are. */
const decoded = (value: string): string =>
  value
    // White space between two encoded words only keeps them apart.
    .replace(/(\?=)\s+(?==\?)/g, '$1')
    .replace(encodedWord, (word, charset, kind, text) => {
      const encoding = charsets[charset.toLowerCase()]
      if (!encoding) return word
      return (kind.toLowerCase() === 'b' ? Buffer.from(text, 'base64') : quotedPrintable(text)).toString(encoding)
    })

/** User metadata with names in lower case. Throws MetadataTooLarge. */
export const metadataOf = (given: Readonly<Record<string, string>> | undefined): Record<string, string> => {
  const size = Object.entries(given ?? {}).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  )
  if (size > largestMetadata)
    throw fail('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size', {
      Size: size,
      MaxSizeAllowed: largestMetadata,
    })
  return Object.fromEntries(Object.entries(given ?? {}).map(([name, value]) => [name.toLowerCase(), decoded(value)]))
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const isText = (value: string): boolean => !/[\0-\x08\x0a-\x1f\x7f]/.test(value)

const encoded = (value: string): string =>
  /^[\x20-\x7e]*$/.test(value) ? value : `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`

/** As headers. What cannot be one, since a form said it with control characters, is only counted. */
export const toMetadata = (metadata: Readonly<Record<string, string>>) => {
  const told = Object.entries(metadata).filter(([, value]) => isText(value))
  const missing = Object.keys(metadata).length - told.length
  return {
    Metadata: Object.fromEntries(told.map(([name, value]) => [name, encoded(value)])),
    ...(missing > 0 ? { MissingMeta: missing } : {}),
  }
}
