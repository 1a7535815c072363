const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const accountShift = 39n

/**
 * An access key id that names its account, as AWS's do: 80 bits in base 32, a mark, 40 bits of account, the rest random.
 * `random`: 80 bits at least, as 16 characters of base 32.
 */
export const accessKeyIdOf = (prefix: 'AKIA' | 'ASIA' | 'APKA', account: string, random: string): string => {
  let value = 0n
  for (const letter of random.slice(0, 16)) value = (value << 5n) | BigInt(alphabet.indexOf(letter))
  value = (1n << 79n) | (BigInt(account) << accountShift) | (value & ((1n << accountShift) - 1n))
  let text = ''
  for (let shift = 75n; shift >= 0n; shift -= 5n) text += alphabet[Number((value >> shift) & 31n)]
  return prefix + text
}

/** The account an access key id names; `undefined` for what is no such id. */
export const accountOfAccessKey = (accessKeyId: string): string | undefined =>
  /^A[KS]IA/.test(accessKeyId) ? accountOfKeyId(accessKeyId) : undefined

/** As `accountOfAccessKey`, for SSH public key ids too. */
export const accountOfKeyId = (id: string): string | undefined => {
  if (!/^A(KI|SI|PK)A[Q-Z2-7][A-Z2-7]{15}$/.test(id)) return undefined
  let value = 0n
  for (const letter of id.slice(4)) value = (value << 5n) | BigInt(alphabet.indexOf(letter))
  const account = String((value >> accountShift) & ((1n << 40n) - 1n))
  return account.length > 12 ? undefined : account.padStart(12, '0')
}
