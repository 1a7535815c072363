import type { Element } from '@xmldom/xmldom'
import { SignedXml } from 'xml-crypto'
import { AwsError } from '../../kernel/errors.ts'
import { childrenOf, parseHostileXml, textOf } from '../../kernel/hostile-xml.ts'
import type { SamlProvider } from '../capabilities.ts'
import { fail } from './operation.ts'
import { decryptAssertion } from './saml-encryption.ts'

const protocol = 'urn:oasis:names:tc:SAML:2.0:protocol'
export const saml = 'urn:oasis:names:tc:SAML:2.0:assertion'
const dsig = 'http://www.w3.org/2000/09/xmldsig#'
const longest = 200_000

/** What may be signed with, and how: nothing of SHA-1, no shared secrets. */
const signatureAlgorithms = [
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
]
const digestAlgorithms = ['http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2001/04/xmlenc#sha512']
const transforms = [
  'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
  'http://www.w3.org/2001/10/xml-exc-c14n#',
  'http://www.w3.org/2001/10/xml-exc-c14n#WithComments',
]

export const wrong = (message: string) => fail('InvalidIdentityTokenException', message)
const badSignature = () => wrong('Response signature invalid')

/**
 * The assertion in a SAML response, as far as one of the provider's keys signed it: what is returned was read from the signed
 * octets, never from the document they came in. Throws InvalidIdentityToken.
 */
export const signedAssertion = (encoded: string, provider: SamlProvider): Element => {
  try {
    return read(Buffer.from(encoded, 'base64').toString('utf8'), provider)
  } catch (error) {
    // What else a stranger's document may break: none of it is a signed assertion.
    if (error instanceof AwsError) throw error
    throw wrong('Your request included an invalid SAML response.')
  }
}

const read = (text: string, provider: SamlProvider): Element => {
  const response = parseHostileXml(text, longest)
  if (response.namespaceURI !== protocol || response.localName !== 'Response')
    throw wrong('The SAML response is no Response of SAML 2.0.')
  checkStatus(response)
  const trusted = signatureOf(response) ? verified(text, response, provider) : undefined
  const container = trusted ?? response
  const plain = onlyOne(container, 'Assertion')
  const encrypted = onlyOne(container, 'EncryptedAssertion')
  if (plain && encrypted) throw wrong('The SAML response must have one assertion.')
  if (encrypted) return decrypted(encrypted, trusted !== undefined, provider)
  if (!plain) throw wrong('The SAML response must have one assertion.')
  if (provider.encryptionRequired) throw wrong('The SAML assertion must be encrypted.')
  if (signatureOf(plain)) return verified(trusted ? trusted.toString() : text, plain, provider)
  if (!trusted) throw badSignature()
  return plain
}

const decrypted = (encrypted: Element, isSigned: boolean, provider: SamlProvider): Element => {
  const text = decryptAssertion(encrypted, provider.privateKeys)
  const assertion = text === undefined ? undefined : parseHostileXml(text, longest)
  if (!text || assertion?.namespaceURI !== saml || assertion.localName !== 'Assertion')
    throw wrong('The SAML assertion could not be decrypted.')
  if (signatureOf(assertion)) return verified(text, assertion, provider)
  if (!isSigned) throw badSignature()
  return assertion
}

/** An identity provider that says the user did not sign in gives nobody anything. */
const checkStatus = (response: Element): void => {
  const [status] = childrenOf(response, protocol, 'Status')
  const [code] = status ? childrenOf(status, protocol, 'StatusCode') : []
  if (code?.getAttribute('Value') !== 'urn:oasis:names:tc:SAML:2.0:status:Success')
    throw fail('IDPRejectedClaimException', 'The identity provider reported that authentication failed.')
}

/** The container's only assertion. One anywhere else is how signatures are wrapped. */
const onlyOne = (container: Element, name: string): Element | undefined => {
  const anywhere = container.getElementsByTagNameNS(saml, name)
  if (anywhere.length > 1) throw wrong('The SAML response must have one assertion.')
  const [child] = childrenOf(container, saml, name)
  if (!child && anywhere.length > 0) throw wrong('The SAML response must have one assertion.')
  return child
}

const signatureOf = (element: Element): Element | undefined => {
  const [signature, ...more] = childrenOf(element, dsig, 'Signature')
  if (more.length > 0) throw badSignature()
  return signature
}

/** The element as its own signature covers it, read anew from the signed octets. */
const verified = (text: string, element: Element, provider: SamlProvider): Element => {
  const id = element.getAttribute('ID')
  const signature = signatureOf(element)
  if (!id || !signature) throw badSignature()
  for (const certificate of provider.certificates) {
    const octets = signedOctets(text, signature.toString(), `#${id}`, certificate)
    if (octets === undefined) continue
    const signed = parseHostileXml(octets, longest)
    if (
      signed.namespaceURI !== element.namespaceURI ||
      signed.localName !== element.localName ||
      signed.getAttribute('ID') !== id
    )
      throw badSignature()
    return signed
  }
  throw badSignature()
}

/** What the signature covers, if it is right by this certificate and covers exactly `uri`. */
const signedOctets = (text: string, signature: string, uri: string, certificate: string): string | undefined => {
  const check = new SignedXml({ publicCert: certificate, getCertFromKeyInfo: () => null })
  try {
    check.loadSignature(signature)
    if (!signatureAlgorithms.includes(check.signatureAlgorithm ?? '') || !check.checkSignature(text)) return undefined
  } catch {
    return undefined
  }
  const [reference, ...more] = check.getReferences()
  const [octets] = check.getSignedReferences()
  if (!reference || more.length > 0 || reference.uri !== uri) return undefined
  if (!digestAlgorithms.includes(reference.digestAlgorithm)) return undefined
  if (!reference.transforms.every((transform) => transforms.includes(transform))) return undefined
  return octets
}

export type Attributes = ReadonlyMap<string, readonly string[]>

/** The assertion's attributes: values by name. */
export const attributesOf = (assertion: Element): Attributes => {
  const found = new Map<string, string[]>()
  for (const statement of childrenOf(assertion, saml, 'AttributeStatement'))
    for (const attribute of childrenOf(statement, saml, 'Attribute')) {
      const name = attribute.getAttribute('Name') ?? ''
      const values = childrenOf(attribute, saml, 'AttributeValue').map(textOf)
      found.set(name, [...(found.get(name) ?? []), ...values])
    }
  return found
}
