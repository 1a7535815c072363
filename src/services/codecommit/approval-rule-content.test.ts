import { describe, expect, it } from 'vitest'
import { appliesTo, isApprover, isSatisfied, readContent } from './approval-rule-content.ts'

const content = (statement: object, more: object = {}) =>
  JSON.stringify({
    Version: '2018-11-08',
    ...more,
    Statements: [{ Type: 'Approvers', NumberOfApprovalsNeeded: 1, ...statement }],
  })

describe('content of approval rules', () => {
  it.each([
    ['the least', content({})],
    [
      'a pool',
      content({ ApprovalPoolMembers: ['CodeCommitApprovers:123456789012:Ana', 'arn:aws:iam::123456789012:*'] }),
    ],
    ['destinations', content({}, { DestinationReferences: ['refs/heads/main', 'refs/heads/release-*'] })],
  ])('is read: %s', (_, text) => expect(readContent(text)).toBeDefined())

  it.each([
    ['no JSON', '{'],
    ['another version', content({}).replace('2018-11-08', '2012-10-17')],
    ['no statement', JSON.stringify({ Version: '2018-11-08', Statements: [] })],
    ['no approvals', content({ NumberOfApprovalsNeeded: 0 })],
    ['a fraction of an approval', content({ NumberOfApprovalsNeeded: 1.5 })],
    ['another type', content({ Type: 'Watchers' })],
    ['a bare name in the pool', content({ ApprovalPoolMembers: ['Ana'] })],
    ['too large a pool', content({ ApprovalPoolMembers: Array(51).fill('CodeCommitApprovers:123456789012:Ana') })],
    ['a wildcard in front', content({}, { DestinationReferences: ['refs/heads/*'] })],
    ['an unknown member', content({ Extra: 1 })],
  ])('is refused: %s', (_, text) => expect(readContent(text)).toBeUndefined())

  it('names destinations in templates only', () =>
    expect(readContent(content({}, { DestinationReferences: ['refs/heads/main'] }), 'rule')).toBeUndefined())

  it.each([
    ['refs/heads/main', true],
    ['refs/heads/main2', false],
    ['refs/heads/release-2/x', true],
  ])('applies to %s: %s', (reference, applies) => {
    const read = readContent(content({}, { DestinationReferences: ['refs/heads/main', 'refs/heads/release-*'] }))
    expect(read && appliesTo(read, reference)).toBe(applies)
  })
})

describe('approval pools', () => {
  const user = 'arn:aws:iam::123456789012:user/Mary_Major'
  const federated = 'arn:aws:sts::123456789012:federated-user/Mary_Major'
  const session = 'arn:aws:sts::123456789012:assumed-role/CodeCommitReview/Mary_Major'
  it.each([
    ['CodeCommitApprovers:123456789012:Mary_Major', [user, federated], [session]],
    ['CodeCommitApprovers:123456789012:*Mary_Major', [user, federated, session], []],
    ['CodeCommitApprovers:123456789012:CodeCommitReview/*', [session], [user, federated]],
    ['CodeCommitApprovers:999999999999:Mary_Major', [], [user, federated, session]],
    ['arn:aws:sts::123456789012:assumed-role/CodeCommitReview/*', [session], [user]],
    [user, [user], [`${user}2`, federated]],
  ])('%s', (member, inside, outside) => {
    expect(inside.filter((arn) => !isApprover(member, arn))).toEqual([])
    expect(outside.filter((arn) => isApprover(member, arn))).toEqual([])
  })

  it('count only their own members', () => {
    const rule = readContent(
      content({ NumberOfApprovalsNeeded: 2, ApprovalPoolMembers: ['CodeCommitApprovers:123456789012:Mary_Major'] }),
    )
    expect(rule && isSatisfied(rule, [user, session])).toBe(false)
    expect(rule && isSatisfied(rule, [user, federated])).toBe(true)
  })
})
