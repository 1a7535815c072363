import { X509Certificate } from 'node:crypto'
import { childrenOf, parseHostileXml, textOf } from '../../kernel/hostile-xml.ts'
import { fail } from './operation.ts'

const metadata = 'urn:oasis:names:tc:SAML:2.0:metadata'
const signature = 'http://www.w3.org/2000/09/xmldsig#'
const longest = 10_000_000
const mostCertificates = 20

export type SamlMetadata = {
  readonly entityId: string
  /** Certificates of the keys that sign, as PEM. */
  readonly certificates: readonly string[]
  /** Epoch milliseconds. */
  readonly validUntil?: number
}

const unreadable = (why: string) => fail('InvalidInputException', `Could not parse metadata: ${why}`)

/** What an identity provider's metadata document says (SAML 2.0 metadata). Throws InvalidInput. */
export const readMetadata = (text: string): SamlMetadata => {
  try {
    return read(text)
  } catch (error) {
    if (error instanceof Error && error.name === 'InvalidInputException') throw error
    throw unreadable('it is not well-formed XML without a document type.')
  }
}

const read = (text: string): SamlMetadata => {
  const root = parseHostileXml(text, longest)
  const isEntity = root.namespaceURI === metadata && root.localName === 'EntityDescriptor'
  const entityId = isEntity ? root.getAttribute('entityID') : undefined
  const [idp, ...more] = childrenOf(root, metadata, 'IDPSSODescriptor')
  if (!entityId || entityId.length > 1024) throw unreadable('its root is no EntityDescriptor with an entityID.')
  if (!idp || more.length > 0) throw unreadable('it must have one IDPSSODescriptor.')
  const certificates = childrenOf(idp, metadata, 'KeyDescriptor')
    .filter((key) => key.getAttribute('use') !== 'encryption')
    .flatMap((key) => childrenOf(key, signature, 'KeyInfo'))
    .flatMap((info) => childrenOf(info, signature, 'X509Data'))
    .flatMap((data) => childrenOf(data, signature, 'X509Certificate'))
    .map((certificate) => toPem(textOf(certificate)))
  if (certificates.length === 0) throw unreadable('it has no certificate of a key that signs.')
  if (certificates.length > mostCertificates) throw unreadable('it has too many certificates.')
  const until = root.getAttribute('validUntil') ?? idp.getAttribute('validUntil')
  if (until === null || until === '') return { entityId, certificates }
  const validUntil = Date.parse(until)
  if (Number.isNaN(validUntil)) throw unreadable('its validUntil is no time.')
  return { entityId, certificates, validUntil }
}

/** IAM does not look at when a certificate expires (IAM user guide, "Create a SAML identity provider in IAM"). */
const toPem = (base64: string): string => {
  try {
    const certificate = new X509Certificate(Buffer.from(base64, 'base64'))
    if (certificate.publicKey.asymmetricKeyType !== 'rsa') throw new TypeError('not RSA')
    return certificate.toString()
  } catch {
    throw unreadable('it has a certificate that is none of an RSA key.')
  }
}
