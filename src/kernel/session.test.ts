import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Principal } from './principal.ts'
import { vault } from './session.ts'

const key = randomBytes(32)
const visitor: Principal = {
  kind: 'role',
  account: '123456789012',
  arn: 'arn:aws:sts::123456789012:assumed-role/r/s',
  id: 'AROAX:s',
  session: {
    issued: 0,
    expires: 3_600_000,
    policies: [],
    policyArns: [],
    tags: { team: 'a' },
    transitiveTagKeys: [],
    mfa: false,
  },
}

test('temporary credentials open to the session they were made of, after a restart too', () => {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = vault(key).issue(visitor)
  expect(accessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/)
  expect(expiration).toEqual(new Date(3_600_000))
  expect(vault(key).open(accessKeyId, sessionToken)).toEqual({
    secret: secretAccessKey,
    principal: { ...visitor, accessKeyId },
  })
})

test('a token says nothing to whoever reads it, and cannot be made, changed or lent', () => {
  const mine = vault(key)
  const one = mine.issue(visitor)
  const two = mine.issue(visitor)
  expect(Buffer.from(one.sessionToken, 'base64').toString('latin1')).not.toContain('assumed-role')
  expect(mine.open(two.accessKeyId, one.sessionToken)).toBeUndefined()
  const bytes = Buffer.from(one.sessionToken, 'base64')
  for (const at of [0, 12, 28, bytes.length - 1]) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(mine.open(one.accessKeyId, changed.toString('base64'))).toBeUndefined()
  }
  for (const token of [
    '',
    'x',
    'a'.repeat(10_000),
    mine.seal(JSON.stringify({ accessKeyId: one.accessKeyId, principal: visitor })),
  ])
    expect(mine.open(one.accessKeyId, token)).toBeUndefined()
  expect(vault(randomBytes(32)).open(one.accessKeyId, one.sessionToken)).toBeUndefined()
})

test('only who has a session gets temporary credentials', () => {
  const { session: _session, ...lasting } = visitor
  expect(() => vault(key).issue(lasting)).toThrow(TypeError)
})

test('secrets at rest come back under the same key only', () => {
  const sealed = vault(key).seal('geheim')
  expect(sealed).not.toBe(vault(key).seal('geheim'))
  expect(vault(key).unseal(sealed)).toBe('geheim')
  expect(() => vault(randomBytes(32)).unseal(sealed)).toThrow()
})
