import { constants, createDecipheriv, privateDecrypt } from 'node:crypto'
import type { Element } from '@xmldom/xmldom'
import { childrenOf, textOf } from '../../kernel/hostile-xml.ts'

// XML Encryption 1.1, as far as SAML's assertions use it.

const xenc = 'http://www.w3.org/2001/04/xmlenc#'
const xenc11 = 'http://www.w3.org/2009/xmlenc11#'
const dsig = 'http://www.w3.org/2000/09/xmldsig#'

const ciphers: Readonly<
  Record<string, { name: 'aes-128' | 'aes-192' | 'aes-256'; mode: 'cbc' | 'gcm'; bytes: number }>
> = {
  [`${xenc}aes128-cbc`]: { name: 'aes-128', mode: 'cbc', bytes: 16 },
  [`${xenc}aes192-cbc`]: { name: 'aes-192', mode: 'cbc', bytes: 24 },
  [`${xenc}aes256-cbc`]: { name: 'aes-256', mode: 'cbc', bytes: 32 },
  [`${xenc11}aes128-gcm`]: { name: 'aes-128', mode: 'gcm', bytes: 16 },
  [`${xenc11}aes192-gcm`]: { name: 'aes-192', mode: 'gcm', bytes: 24 },
  [`${xenc11}aes256-gcm`]: { name: 'aes-256', mode: 'gcm', bytes: 32 },
}

/** Hashes of RSA-OAEP; its mask is made with the same one. */
const oaepHashes: Readonly<Record<string, string>> = {
  'http://www.w3.org/2000/09/xmldsig#sha1': 'sha1',
  [`${xenc}sha256`]: 'sha256',
  [`${xenc}sha512`]: 'sha512',
}

const only = (parent: Element | undefined, namespace: string, name: string): Element | undefined => {
  const found = parent ? childrenOf(parent, namespace, name) : []
  return found.length === 1 ? found[0] : undefined
}

const cipherValue = (encrypted: Element): Buffer | undefined => {
  const value = only(only(encrypted, xenc, 'CipherData'), xenc, 'CipherValue')
  return value && Buffer.from(textOf(value), 'base64')
}

const algorithmOf = (encrypted: Element | undefined): string =>
  only(encrypted, xenc, 'EncryptionMethod')?.getAttribute('Algorithm') ?? ''

/** The text within an `EncryptedAssertion`; `undefined` for whatever reason it cannot be had, so that none can be told from another. */
export const decryptAssertion = (container: Element, privateKeys: readonly string[]): string | undefined => {
  const data = only(container, xenc, 'EncryptedData')
  const key = only(only(data, dsig, 'KeyInfo'), xenc, 'EncryptedKey') ?? only(container, xenc, 'EncryptedKey')
  if (!data || !key) return undefined
  for (const privateKey of privateKeys)
    try {
      const secret = unwrapped(key, privateKey)
      const text = secret && decipher(data, secret)
      if (text !== undefined) return text
    } catch {
      // Another key may be the one.
    }
  return undefined
}

const unwrapped = (key: Element, privateKey: string): Buffer | undefined => {
  const algorithm = algorithmOf(key)
  if (algorithm !== `${xenc}rsa-oaep-mgf1p` && algorithm !== `${xenc11}rsa-oaep`) return undefined
  const digest = only(only(key, xenc, 'EncryptionMethod'), dsig, 'DigestMethod')
  const oaepHash = digest ? oaepHashes[digest.getAttribute('Algorithm') ?? ''] : 'sha1'
  const value = cipherValue(key)
  if (!value || !oaepHash) return undefined
  return privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, value)
}

const decipher = (data: Element, secret: Buffer): string | undefined => {
  const cipher = ciphers[algorithmOf(data)]
  const value = cipherValue(data)
  if (!cipher || !value || secret.length !== cipher.bytes) return undefined
  if (cipher.mode === 'gcm') {
    const open = createDecipheriv(`${cipher.name}-gcm`, secret, value.subarray(0, 12))
    open.setAuthTag(value.subarray(-16))
    return Buffer.concat([open.update(value.subarray(12, -16)), open.final()]).toString('utf8')
  }
  const open = createDecipheriv(`${cipher.name}-cbc`, secret, value.subarray(0, 16)).setAutoPadding(false)
  const padded = Buffer.concat([open.update(value.subarray(16)), open.final()])
  const padding = padded.at(-1) ?? 0
  return padding >= 1 && padding <= 16 ? padded.subarray(0, -padding).toString('utf8') : undefined
}
