import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { accessKeyIdOf } from './access-key-id.ts'
import type { Credentials } from './context.ts'
import type { Principal } from './principal.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/**
 * Encryption under the server's key file: secrets at rest, and temporary credentials. A session token holds the whole
 * session, so it needs no row and survives any restart; like AWS's it cannot be read or made without the key.
 */
export interface Vault {
  seal(text: string): string
  unseal(sealed: string): string
  /** Temporary credentials for a principal that has a session. */
  issue(principal: Principal): Credentials
  /** The access key of an account's root user: the same one each time, and nobody's guess. */
  rootKey(account: string): { accessKeyId: string; secretAccessKey: string }
  /** The secret and the principal of a temporary access key; `undefined` when key and token do not belong together. */
  open(accessKeyId: string, sessionToken: string): { secret: string; principal: Principal } | undefined
}

const letters = (bytes: Uint8Array): string => [...bytes].map((byte) => alphabet[byte & 31]).join('')

export const vault = (masterKey: Uint8Array): Vault => {
  // Raw keys cost Node several times the cipher itself.
  const derive = (purpose: string) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', masterKey, 'drydock', purpose, 32)))
  const [restKey, tokenKey, secretKey] = [derive('rest'), derive('session-token'), derive('session-secret')]

  const encrypt = (key: KeyObject, text: string): string => {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64')
  }
  const decrypt = (key: KeyObject, sealed: string): string => {
    const bytes = Buffer.from(sealed, 'base64')
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
    decipher.setAuthTag(bytes.subarray(12, 28))
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')
  }
  const secretOf = (accessKeyId: string) =>
    createHmac('sha256', secretKey).update(accessKeyId).digest('base64').slice(0, 40)
  const rootKey = (account: string) => {
    const bytes = createHmac('sha256', secretKey).update(`root ${account}`).digest()
    const accessKeyId = accessKeyIdOf('AKIA', account, letters(bytes))
    return { accessKeyId, secretAccessKey: secretOf(accessKeyId) }
  }
  const opened = new Map<string, { accessKeyId: string; principal: Principal }>()

  return {
    seal: (text) => encrypt(restKey, text),
    unseal: (sealed) => decrypt(restKey, sealed),
    issue: (principal) => {
      if (!principal.session) throw new TypeError('Only a principal with a session has temporary credentials.')
      const accessKeyId = accessKeyIdOf('ASIA', principal.account, letters(randomBytes(16)))
      return {
        accessKeyId,
        secretAccessKey: secretOf(accessKeyId),
        sessionToken: encrypt(tokenKey, JSON.stringify({ accessKeyId, principal: { ...principal, accessKeyId } })),
        expiration: new Date(principal.session.expires),
      }
    },
    rootKey,
    open: (accessKeyId, sessionToken) => {
      let content = opened.get(sessionToken)
      if (!content) {
        try {
          content = JSON.parse(decrypt(tokenKey, sessionToken)) as { accessKeyId: string; principal: Principal }
        } catch {
          return undefined
        }
        if (opened.size >= 1000) opened.clear()
        opened.set(sessionToken, content)
      }
      if (content.accessKeyId !== accessKeyId) return undefined
      return { secret: secretOf(accessKeyId), principal: content.principal }
    },
  }
}
