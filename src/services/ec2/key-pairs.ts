import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { filtered } from './filters.ts'
import { dryRun, fail, newId, type Operation } from './operation.ts'
import { allTags, dropTags, putTags, specified, toTags } from './tag.ts'

type KeyPair = {
  readonly id: string
  readonly name: string
  readonly type: 'rsa' | 'ed25519'
  readonly fingerprint: string
  readonly publicKey: string
  readonly created: number
}
export const KeyPair = table<KeyPair>('ec2.key-pair', { scope: 'region', key: ({ name }) => name })

export const getKeyPair = async (tx: ReadTx, name: string): Promise<KeyPair> => {
  const pair = await tx.get(KeyPair, name)
  if (!pair) throw fail('InvalidKeyPair.NotFound', `The key pair '${name}' does not exist`)
  return pair
}

export const getKeyPairById = async (tx: ReadTx, id: string): Promise<KeyPair> => {
  const pair = (await tx.list(KeyPair)).find((one) => one.id === id)
  if (!pair) throw fail('InvalidKeyPair.NotFound', `The key pair '${id}' does not exist`)
  return pair
}

const field = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
const positive = (bytes: Buffer): Buffer => ((bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)

/** The line of `authorized_keys` (RFC 4253, section 6.6; RFC 8709 for Ed25519). */
const openSshPublic = (key: KeyObject, comment: string): string => {
  const jwk = key.export({ format: 'jwk' })
  const part = (text: string | undefined) => Buffer.from(text ?? '', 'base64url')
  const [type, body] =
    jwk.kty === 'RSA'
      ? ['ssh-rsa', Buffer.concat([field(positive(part(jwk.e))), field(positive(part(jwk.n)))])]
      : ['ssh-ed25519', field(part(jwk.x))]
  return `${type} ${Buffer.concat([field(Buffer.from(type)), body]).toString('base64')} ${comment}`
}

const colons = (hex: string): string => hex.match(/../g)?.join(':') ?? hex

export const CreateKeyPair: Operation<'CreateKeyPair'> = (ctx, input) => {
  const { KeyName: name, KeyType: type = 'rsa', KeyFormat: format = 'pem' } = input
  if (format !== 'pem') throw fail('UnsupportedOperation', 'Drydock makes keys in PEM format only.')
  const { 'key-pair': tags } = specified(input.TagSpecifications, 'key-pair')
  dryRun(input)
  const { privateKey, publicKey } =
    type === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const material = privateKey
    .export(type === 'ed25519' ? { type: 'pkcs8', format: 'pem' } : { type: 'pkcs1', format: 'pem' })
    .toString()
  const der = createPrivateKey(material).export({ type: 'pkcs8', format: 'der' })
  const openSsh = openSshPublic(publicKey, name)
  const fingerprint =
    type === 'ed25519' ? sshFingerprint(openSsh) : colons(createHash('sha1').update(der).digest('hex'))
  return store(
    ctx,
    {
      id: newId(ctx, 'key'),
      name,
      type: type === 'ed25519' ? 'ed25519' : 'rsa',
      fingerprint,
      publicKey: openSsh,
      created: ctx.now().getTime(),
    },
    tags,
    material,
  )
}

const sshFingerprint = (line: string): string =>
  createHash('sha256')
    .update(Buffer.from(line.split(' ')[1] ?? '', 'base64'))
    .digest('base64')

export const ImportKeyPair: Operation<'ImportKeyPair'> = (ctx, input) => {
  const line = Buffer.from(input.PublicKeyMaterial ?? new Uint8Array())
    .toString('utf8')
    .trim()
  const [kind = '', body = ''] = line.split(/\s+/)
  const blob = Buffer.from(body, 'base64')
  const inner = blob.length > 4 ? blob.subarray(4, 4 + blob.readUInt32BE(0)).toString() : ''
  if ((kind !== 'ssh-rsa' && kind !== 'ssh-ed25519') || inner !== kind || /[\r\n]/.test(line))
    throw fail('InvalidKey.Format', 'Key is not in valid OpenSSH public key format')
  const { 'key-pair': tags } = specified(input.TagSpecifications, 'key-pair')
  dryRun(input)
  const type = kind === 'ssh-rsa' ? 'rsa' : 'ed25519'
  const fingerprint =
    type === 'ed25519' ? sshFingerprint(line) : colons(createHash('md5').update(rsaDer(blob)).digest('hex'))
  return store(
    ctx,
    { id: newId(ctx, 'key'), name: input.KeyName, type, fingerprint, publicKey: line, created: ctx.now().getTime() },
    tags,
  )
}

/** The DER form of an SSH RSA key, over which EC2 takes the fingerprint of imported keys. */
const rsaDer = (blob: Buffer): Buffer => {
  const fields: Buffer[] = []
  for (let at = 0; at + 4 <= blob.length; at += 4 + blob.readUInt32BE(at))
    fields.push(blob.subarray(at + 4, at + 4 + blob.readUInt32BE(at)))
  const [, e = Buffer.alloc(0), n = Buffer.alloc(0)] = fields
  const bare = (bytes: Buffer) => (bytes[0] === 0 ? bytes.subarray(1) : bytes).toString('base64url')
  try {
    return createPublicKey({ key: { kty: 'RSA', e: bare(e), n: bare(n) }, format: 'jwk' }).export({
      type: 'spki',
      format: 'der',
    })
  } catch {
    throw fail('InvalidKey.Format', 'Key is not in valid OpenSSH public key format')
  }
}

const store = (
  ctx: Ctx,
  pair: KeyPair,
  tags: readonly { Key?: string | undefined; Value?: string | undefined }[],
  material?: string,
) =>
  ctx.write(async (tx) => {
    if (await tx.get(KeyPair, pair.name))
      throw fail('InvalidKeyPair.Duplicate', `The keypair '${pair.name}' already exists.`)
    tx.put(KeyPair, pair)
    putTags(tx, pair.id, tags)
    return {
      KeyName: pair.name,
      KeyPairId: pair.id,
      KeyFingerprint: pair.fingerprint,
      Tags: tags.map(({ Key, Value }) => ({ Key, Value })),
      ...(material ? { KeyMaterial: material } : {}),
    }
  })

export const DescribeKeyPairs: Operation<'DescribeKeyPairs'> = (
  ctx,
  { KeyNames, KeyPairIds, Filters, IncludePublicKey },
) =>
  ctx.read(async (tx) => {
    const tags = await allTags(tx)
    const all = await tx.list(KeyPair)
    for (const name of KeyNames ?? []) await getKeyPair(tx, name)
    for (const id of KeyPairIds ?? []) await getKeyPairById(tx, id)
    const chosen = all.filter(
      ({ id, name }) =>
        (!KeyNames?.length && !KeyPairIds?.length) || KeyNames?.includes(name) || KeyPairIds?.includes(id),
    )
    const rows = filtered(chosen, Filters, ['key-pair-id', 'fingerprint', 'key-name'], ({ id, name, fingerprint }) => ({
      facts: { 'key-pair-id': id, fingerprint, 'key-name': name },
      tags: tags(id),
    }))
    return {
      KeyPairs: rows.map(({ id, name, type, fingerprint, publicKey, created }) => ({
        KeyPairId: id,
        KeyName: name,
        KeyType: type,
        KeyFingerprint: fingerprint,
        CreateTime: new Date(created),
        Tags: toTags(tags(id)),
        ...(IncludePublicKey ? { PublicKey: publicKey } : {}),
      })),
    }
  })

export const DeleteKeyPair: Operation<'DeleteKeyPair'> = (ctx, input) => {
  dryRun(input)
  return ctx.write(async (tx) => {
    const all = await tx.list(KeyPair)
    const pair = all.find(({ id, name }) => (input.KeyPairId ? id === input.KeyPairId : name === input.KeyName))
    if (!pair) return { Return: true }
    tx.delete(KeyPair, pair.name)
    await dropTags(tx, pair.id)
    return { Return: true, KeyPairId: pair.id }
  })
}
