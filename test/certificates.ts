import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

// Certificates for stories, made on the spot: no private key has to lie in the repository.

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts)
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body])
  const size = body.length < 0x100 ? Buffer.of(0x81, body.length) : Buffer.of(0x82, body.length >> 8, body.length & 255)
  return Buffer.concat([Buffer.of(tag), size, body])
}
const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts)

/** ecdsa-with-SHA256. */
const algorithm = sequence(der(0x06, Buffer.from('2a8648ce3d040302', 'hex')))

const commonName = (name: string) =>
  sequence(der(0x31, sequence(der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from(name, 'utf8')))))

const time = (date: Date) => der(0x18, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`))

const pem = (label: string, bytes: Buffer) =>
  `-----BEGIN ${label}-----\n${bytes
    .toString('base64')
    .match(/.{1,64}/g)
    ?.join('\n')}\n-----END ${label}-----\n`

export type TestCertificate = {
  readonly name: string
  readonly certificate: string
  readonly key: string
  readonly privateKey: KeyObject
}

let serial = 1

/** An X.509 certificate for a new P-256 key, signed by `issuer`, or by itself. */
export const testCertificate = (
  name: string,
  options: { issuer?: TestCertificate; from?: Date; until?: Date } = {},
): TestCertificate => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(serial++ & 127)),
    algorithm,
    commonName(options.issuer?.name ?? name),
    sequence(
      time(options.from ?? new Date('2020-01-01T00:00:00Z')),
      time(options.until ?? new Date('2099-01-01T00:00:00Z')),
    ),
    commonName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = sign('sha256', body, options.issuer?.privateKey ?? privateKey)
  return {
    name,
    certificate: pem('CERTIFICATE', sequence(body, algorithm, der(0x03, Buffer.of(0), signature))),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    privateKey,
  }
}
