import { expect, test } from 'vitest'
import type { AccessRequest, Decision } from '../policy/policy.ts'
import type { Logger } from './context.ts'
import { rememberDenials } from './denials.ts'

const quiet = (): void => undefined
const log: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }
const request: AccessRequest = {
  principal: { kind: 'user', account: '1', arn: 'arn:aws:iam::1:user/ana' },
  action: 's3:GetObject',
  resource: '*',
  context: {},
  policies: [],
}
const decision: Decision = { decision: 'implicitDeny', decidedBy: 'identity', matched: [], missingContext: [] }

test('the latest denials are remembered, of each request in order', () => {
  const denials = rememberDenials(log, 10)
  for (let i = 0; i < 1_005; i++) denials.note(`r${i}`, new Date(i), request, decision)
  denials.note('r1004', new Date(1), { ...request, action: 's3:ListBucket' }, decision)
  expect(denials.of('r1004').map(({ action }) => action)).toEqual(['s3:GetObject', 's3:ListBucket'])
  expect(denials.of('r996')).toHaveLength(1)
  expect(denials.of('r995')).toEqual([])
  denials.forget()
  expect(denials.of('r1004')).toEqual([])
})

test('what is allowed is no denial', () => {
  const denials = rememberDenials(log)
  denials.note('r', new Date(0), request, { decision: 'allowed', matched: [], missingContext: [] })
  expect(denials.of('r')).toEqual([])
})
