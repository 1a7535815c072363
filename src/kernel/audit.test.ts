import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { redacted } from './audit.ts'

const hidden = 'HIDDEN_DUE_TO_SECURITY_REASONS'

test.each<[what: string, value: unknown, kept: unknown]>([
  [
    'secrets by their names',
    { Password: 'x', SecretAccessKey: 'y', servicePassword: 'z', plaintext: 'p' },
    { password: hidden, secretAccessKey: hidden, servicePassword: hidden, plaintext: hidden },
  ],
  [
    'codes of MFA devices',
    { TokenCode: '123456', AuthenticationCode1: '1' },
    { tokenCode: hidden, authenticationCode1: hidden },
  ],
  ['what only sounds like one', { credentialId: 'c', NextToken: 'n' }, { credentialId: 'c', nextToken: hidden }],
  ['names begin in lower case', { RoleArn: 'r', Tags: [{ Key: 'k' }] }, { roleArn: 'r', tags: [{ key: 'k' }] }],
  ['bytes and streams are left out', { body: new Uint8Array(3), stream: Readable.from([]), name: 'n' }, { name: 'n' }],
  ['times as ISO 8601', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
  ['log lines are not kept twice', { logGroupName: 'g', logEvents: [{ message: 'm' }] }, { logGroupName: 'g' }],
])('%s', (_what, value, kept) => {
  expect(redacted(value)).toEqual(kept)
})

test('nothing endless', () => {
  const { text, items } = redacted({
    text: 'x'.repeat(100_000),
    items: Array.from({ length: 10_000 }, (_, i) => i),
  }) as { text: string; items: unknown[] }
  expect([text.length, items.length]).toEqual([4_001, 200])
  let deep: unknown = 1
  for (let i = 0; i < 10_000; i++) deep = { deep }
  expect(JSON.stringify(redacted(deep)).length).toBeLessThan(200)
})
