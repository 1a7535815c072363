import { describe, expect, test } from 'vitest'
import type { PasswordPolicyRecord } from './credential-records.ts'
import { hashPassword, isPassword, passwordFault, usedBefore } from './passwords.ts'

const lax: PasswordPolicyRecord = {
  minimumLength: 6,
  symbols: false,
  numbers: false,
  uppercase: false,
  lowercase: false,
  usersMayChange: false,
}
const kinds = 'Password should have at least three of these: uppercase letters, lowercase letters, numbers, symbols'

test.each<[Partial<PasswordPolicyRecord> | undefined, string, string | undefined]>([
  [undefined, 'Ab1!xyz', 'Password should have a minimum length of 8'],
  [undefined, 'abcdefgh', kinds],
  [undefined, 'abcdefgh1', kinds],
  [undefined, 'Abcdefgh1', undefined],
  [undefined, 'abcdefg1é', undefined],
  [{}, 'abcde', 'Password should have a minimum length of 6'],
  [{}, 'abcdef', undefined],
  [{ minimumLength: 14 }, 'abcdefghijklm', 'Password should have a minimum length of 14'],
  [{ uppercase: true }, 'abcdef', 'Password should have at least one uppercase letter'],
  [{ uppercase: true }, 'abcdefÄ', 'Password should have at least one uppercase letter'],
  [{ uppercase: true }, 'abcdefA', undefined],
  [{ lowercase: true }, 'ABCDEF', 'Password should have at least one lowercase letter'],
  [{ numbers: true }, 'abcdef', 'Password should have at least one number'],
  [{ numbers: true }, 'abcde0', undefined],
  [{ symbols: true }, 'abcdef', 'Password should have at least one symbol'],
  [{ symbols: true }, 'abcdef/', 'Password should have at least one symbol'],
  [{ symbols: true }, "abcdef'", undefined],
  [{ symbols: true }, 'abcdef]', undefined],
])('under %j %j: %s', (policy, password, fault) => {
  expect(passwordFault(policy && { ...lax, ...policy }, password)).toBe(fault)
})

describe('hashes', () => {
  test('tell the password from any other, and never twice the same', async () => {
    const [one, two] = [await hashPassword('correct horse'), await hashPassword('correct horse')]
    expect(one).not.toBe(two)
    expect(one).not.toContain('correct')
    expect(await isPassword(one, 'correct horse')).toBe(true)
    expect(await isPassword(one, 'correct horsf')).toBe(false)
    expect(await usedBefore([await hashPassword('old'), two], 'correct horse')).toBe(true)
    expect(await usedBefore([await hashPassword('old')], 'correct horse')).toBe(false)
  })
})
