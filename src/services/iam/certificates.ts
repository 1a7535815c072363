import { createPrivateKey, X509Certificate } from 'node:crypto'
import { fail } from './operation.ts'

// X.509 certificates as callers upload them: PEM, read and checked before anything is kept.

const end = '-----END CERTIFICATE-----'
const begin = '-----BEGIN CERTIFICATE-----'

const malformed = (message: string) => fail('MalformedCertificateException', message)

/** Every certificate of a PEM text, in order. Throws MalformedCertificate when there is none, or something else besides. */
const readAll = (pem: string): X509Certificate[] => {
  const pieces = pem.split(end)
  const rest = pieces.pop() ?? ''
  try {
    if (pieces.length === 0 || rest.trim() !== '') throw new TypeError('no certificate')
    return pieces.map((piece) => {
      const start = piece.indexOf(begin)
      if (start < 0 || piece.includes(begin, start + 1)) throw new TypeError('no certificate')
      return new X509Certificate(`${piece.slice(start)}${end}\n`)
    })
  } catch {
    throw malformed('Unable to parse certificate. Please ensure the certificate is in PEM format.')
  }
}

/** One certificate, valid now. Throws MalformedCertificate. */
export const readCertificate = (pem: string, now: Date): X509Certificate => {
  const [certificate, another] = readAll(pem)
  if (!certificate || another)
    throw malformed('The certificate body must hold one certificate. Put those that signed it into the chain.')
  if (certificate.validFromDate > now)
    throw malformed(
      "Certificate is not yet valid. The 'Not Before' date restriction on the certificate has not passed.",
    )
  if (certificate.validToDate < now)
    throw malformed("Certificate is no longer valid. The 'Not After' date restriction on the certificate has passed.")
  return certificate
}

/** The private key of this certificate, unencrypted. Throws MalformedCertificate, KeyPairMismatch. */
export const checkKey = (certificate: X509Certificate, pem: string): void => {
  let key: ReturnType<typeof createPrivateKey>
  try {
    key = createPrivateKey({ key: pem, format: 'pem' })
  } catch {
    throw malformed('Unable to parse private key. Please ensure the private key is in PEM format and not encrypted.')
  }
  if (!certificate.checkPrivateKey(key))
    throw fail('KeyPairMismatchException', 'The public key certificate and the private key do not match.')
}

/** Each certificate of the chain signed the one before it. Throws MalformedCertificate. */
export const checkChain = (certificate: X509Certificate, pem: string): void => {
  let signed = certificate
  for (const [index, signer] of readAll(pem).entries()) {
    if (!signed.checkIssued(signer) || !signed.verify(signer.publicKey))
      throw malformed(
        `Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: ${index}`,
      )
    signed = signer
  }
}
