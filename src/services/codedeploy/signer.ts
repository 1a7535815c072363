import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomBytes, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { Ctx } from '../../kernel/context.ts'
import type { Route } from '../../kernel/service.ts'
import { table } from '../../store/store.ts'
import * as der from './der.ts'

// AWS's agent takes a deployment specification only in a PKCS #7 message whose signer has a certificate of the subject
// `codedeploy-signer-REGION.amazonaws.com` and leads to an authority in `certs/host-agent-deployment-signer-ca-chain.pem`
// of the agent's own folder. This is an authority of this server's own, for whoever adds it there.

/** A key and its certificate (DER in base64); `name` is `authority` or a region. */
type Signer = {
  readonly name: string
  readonly certificate: string
  readonly sealedKey: string
  readonly serial: string
}
export const Signer = table<Signer>('codedeploy.signer', { scope: 'global', key: ({ name }) => name })

const authority = 'authority'
const issuerName: Subject = [['2.5.4.3', 'Drydock CodeDeploy deployment signer authority']]
/** The agent compares the whole of it. */
const signerName = (region: string): Subject => [
  ['2.5.4.6', 'US'],
  ['2.5.4.8', 'Washington'],
  ['2.5.4.7', 'Seattle'],
  ['2.5.4.10', 'Amazon.com, Inc.'],
  ['2.5.4.3', `codedeploy-signer-${region}.amazonaws.com`],
]

type Subject = readonly (readonly [string, string])[]

const nameOf = (subject: Subject): Buffer =>
  der.sequence(...subject.map(([type, value]) => der.set(der.sequence(der.identifier(type), der.printable(value)))))

const sha256 = () => der.sequence(der.identifier('2.16.840.1.101.3.4.2.1'), der.nothing())
const sha256WithRsa = () => der.sequence(der.identifier('1.2.840.113549.1.1.11'), der.nothing())
const rsa = () => der.sequence(der.identifier('1.2.840.113549.1.1.1'), der.nothing())

const extension = (id: string, value: Buffer): Buffer =>
  der.sequence(der.identifier(id), der.boolean(true), der.octets(value))

/** An X.509 certificate. Its times are wide: a machine's clock need not be the server's. */
const certificate = (
  subject: Subject,
  key: KeyObject,
  serial: Buffer,
  signedBy: KeyObject,
  isAuthority: boolean,
): Buffer => {
  const basics = extension('2.5.29.19', der.sequence(...(isAuthority ? [der.boolean(true)] : [])))
  // Certificates and lists of revoked ones, or digital signatures.
  const usage = extension(
    '2.5.29.15',
    isAuthority ? der.bits(Buffer.from([0x06]), 1) : der.bits(Buffer.from([0x80]), 7),
  )
  const body = der.sequence(
    der.context(0, der.integer(Buffer.from([2]))),
    der.integer(serial),
    sha256WithRsa(),
    nameOf(issuerName),
    der.sequence(der.time('200101000000Z'), der.time('491231235959Z')),
    nameOf(subject),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der.context(3, der.sequence(basics, usage)),
  )
  return der.sequence(body, sha256WithRsa(), der.bits(sign('sha256', body, signedBy)))
}

const newKey = async (): Promise<KeyObject> =>
  (await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })).privateKey

/** The signer of that name, made on first need. */
const signerNamed = async (ctx: Ctx, name: string): Promise<Signer> => {
  const found = await ctx.read((tx) => tx.get(Signer, name))
  if (found) return found
  const key = await newKey()
  const serial = randomBytes(16)
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0)
  const issuer = name === authority ? key : keyOf(ctx, await signerNamed(ctx, authority))
  const made: Signer = {
    name,
    serial: serial.toString('hex'),
    certificate: certificate(
      name === authority ? issuerName : signerName(name),
      key,
      serial,
      issuer,
      name === authority,
    ).toString('base64'),
    sealedKey: ctx.seal(String(key.export({ type: 'pkcs8', format: 'pem' }))),
  }
  // Whoever came first has made it.
  return ctx.write(async (tx) => (await tx.get(Signer, name)) ?? tx.put(Signer, made))
}

const keyOf = (ctx: Ctx, { sealedKey }: Signer): KeyObject => createPrivateKey(ctx.unseal(sealedKey))

/** A text in a PKCS #7 message (RFC 2315) of this region's signer, as PEM. */
export const signedMessage = async (ctx: Ctx, text: string): Promise<string> => {
  const signer = await signerNamed(ctx, ctx.region)
  const content = Buffer.from(text)
  const one = der.integer(Buffer.from([1]))
  const info = der.sequence(
    one,
    der.sequence(nameOf(issuerName), der.integer(Buffer.from(signer.serial, 'hex'))),
    sha256(),
    rsa(),
    der.octets(sign('sha256', content, keyOf(ctx, signer))),
  )
  const signed = der.sequence(
    one,
    der.set(sha256()),
    der.sequence(der.identifier('1.2.840.113549.1.7.1'), der.context(0, der.octets(content))),
    der.context(0, Buffer.from(signer.certificate, 'base64')),
    der.set(info),
  )
  return der.pem('PKCS7', der.sequence(der.identifier('1.2.840.113549.1.7.2'), der.context(0, signed)))
}

/** The authority's certificate, for machines that run AWS's agent. */
export const signerAuthority: Route = {
  name: 'deployment signer authority',
  method: 'GET',
  path: /\/_drydock\/codedeploy\/signer-authority\.pem/,
  handle: async (ctx, { response }) => {
    const { certificate: der64 } = await signerNamed(ctx, authority)
    response
      .writeHead(200, { 'content-type': 'application/x-pem-file' })
      .end(der.pem('CERTIFICATE', Buffer.from(der64, 'base64')))
  },
}
