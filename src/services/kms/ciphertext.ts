import { createCipheriv, createDecipheriv, createHash, createSecretKey, randomBytes } from 'node:crypto'
import { fail } from './operation.ts'

export type EncryptionContext = Readonly<Record<string, string>>

/** What a ciphertext of ours says of itself. `region`: absent for a multi-Region key, which any of its Regions opens. */
export type Header = {
  readonly account: string
  readonly region?: string
  readonly key: string
  readonly material: string
}

const mark = Buffer.from([0x01, 0x02, 0x02, 0x00])
const ivLength = 12
const tagLength = 16

/** The encryption context, whatever order it was given in, is authenticated and not stored. */
const associated = (header: Buffer, context: EncryptionContext): Buffer =>
  Buffer.concat([
    header,
    Buffer.from(JSON.stringify(Object.entries(context).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))),
  ])

/** A self-describing blob: mark, header, initialization vector, tag, AES-256-GCM ciphertext. */
export const seal = (
  material: Uint8Array,
  header: Header,
  plaintext: Uint8Array,
  context: EncryptionContext,
): Buffer => {
  const fields = Buffer.from(JSON.stringify([header.account, header.region ?? '', header.key, header.material]))
  const length = Buffer.alloc(2)
  length.writeUInt16BE(fields.length)
  const head = Buffer.concat([mark, length, fields])
  const iv = randomBytes(ivLength)
  const cipher = createCipheriv('aes-256-gcm', createSecretKey(material), iv)
  cipher.setAAD(associated(head, context))
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([head, iv, cipher.getAuthTag(), body])
}

const invalid = () => fail('InvalidCiphertextException', '')

/** The header of a blob, and where it ends. Raises InvalidCiphertextException for what is no ciphertext of KMS. */
export const headerOf = (blob: Uint8Array): { header: Header; end: number } => {
  const bytes = Buffer.from(blob)
  if (bytes.length < mark.length + 2 || !bytes.subarray(0, mark.length).equals(mark)) throw invalid()
  const end = mark.length + 2 + bytes.readUInt16BE(mark.length)
  if (bytes.length < end + ivLength + tagLength) throw invalid()
  try {
    const [account, region, key, material] = JSON.parse(
      bytes.subarray(mark.length + 2, end).toString('utf8'),
    ) as unknown[]
    if ([account, region, key, material].every((field) => typeof field === 'string'))
      return {
        header: {
          account: String(account),
          ...(region === '' ? {} : { region: String(region) }),
          key: String(key),
          material: String(material),
        },
        end,
      }
  } catch {
    throw invalid()
  }
  throw invalid()
}

/** The header of a blob, and what was sealed under it. Raises InvalidCiphertextException. */
export const partsOfBlob = (blob: Uint8Array): { head: Buffer; sealed: Buffer } => {
  const { end } = headerOf(blob)
  const bytes = Buffer.from(blob)
  return { head: bytes.subarray(0, end), sealed: bytes.subarray(end) }
}

/** What ties the work of a key manager outside to this header and encryption context, and tells it neither. */
export const bindingOf = (head: Buffer, context: EncryptionContext): Buffer =>
  createHash('sha256').update(associated(head, context)).digest()

/** Raises InvalidCiphertextException: changed, of other material, or under another encryption context. */
export const open = (material: Uint8Array, blob: Uint8Array, context: EncryptionContext): Buffer => {
  const { end } = headerOf(blob)
  const bytes = Buffer.from(blob)
  const iv = bytes.subarray(end, end + ivLength)
  const tag = bytes.subarray(end + ivLength, end + ivLength + tagLength)
  try {
    const decipher = createDecipheriv('aes-256-gcm', createSecretKey(material), iv)
    decipher.setAAD(associated(bytes.subarray(0, end), context))
    decipher.setAuthTag(tag)
    return Buffer.concat([decipher.update(bytes.subarray(end + ivLength + tagLength)), decipher.final()])
  } catch {
    throw invalid()
  }
}
