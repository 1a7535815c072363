// The password that `aws codecommit credential-helper` makes: a signature version 4 over the repository's URL.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

export type GitSignature = { readonly timestamp: string; readonly signature: string }

/** `YYYYMMDDTHHMMSSZ` and 64 hexadecimal digits; `undefined` for any other password. */
export const readGitPassword = (password: string): GitSignature | undefined => {
  const match = /^(\d{8}T\d{6})Z([0-9a-f]{64})$/.exec(password)
  return match?.[1] && match[2] ? { timestamp: match[1], signature: match[2] } : undefined
}

/** When it was signed, in epoch milliseconds; NaN for no such date. */
export const signedAt = ({ timestamp }: GitSignature): number =>
  Date.parse(timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)$/, '$1-$2-$3T$4:$5:$6Z'))

const hmac = (key: string | Uint8Array, text: string) => createHmac('sha256', key).update(text, 'utf8').digest()

/**
 * The signature over method `GIT`, the path and the host without port, with an empty payload hash. The time stands
 * without its `Z` in the string to sign: so it is in the AWS CLI and in git-remote-codecommit.
 */
export const signGit = (facts: {
  secret: string
  region: string
  host: string
  path: string
  timestamp: string
}): string => {
  const day = facts.timestamp.slice(0, 8)
  const canonical = `GIT\n${facts.path}\n\nhost:${facts.host}\n\nhost\n`
  const hash = createHash('sha256').update(canonical, 'utf8').digest('hex')
  const scope = `${day}/${facts.region}/codecommit/aws4_request`
  const key = [facts.region, 'codecommit', 'aws4_request'].reduce<Uint8Array>(hmac, hmac(`AWS4${facts.secret}`, day))
  return hmac(key, `AWS4-HMAC-SHA256\n${facts.timestamp}\n${scope}\n${hash}`).toString('hex')
}

/** Whether one of these paths and regions was signed with this secret. Compares in constant time. */
export const verifyGit = (
  password: GitSignature,
  facts: { secret: string; regions: readonly string[]; host: string; paths: readonly string[] },
): boolean => {
  const given = Buffer.from(password.signature, 'hex')
  return facts.regions.some((region) =>
    facts.paths.some((path) => {
      const { secret, host } = facts
      const expected = signGit({ secret, region, host, path, timestamp: password.timestamp })
      return timingSafeEqual(given, Buffer.from(expected, 'hex'))
    }),
  )
}
