import { describe, expect, it } from 'vitest'
import { readGitPassword, signedAt, signGit, verifyGit } from './signature.ts'

const facts = {
  secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-2',
  host: 'git-codecommit.us-east-2.amazonaws.com',
  path: '/v1/repos/web',
  timestamp: '20261123T050000',
}
// What the AWS CLI's credential helper (botocore 1.43) answers for these facts.
const fromAwsCli = 'e950ab96e691247e270d966e82b7da7ffcbbca6784d64cf31908040435f81820'

describe('signature', () => {
  it('signs as the AWS CLI does', () => expect(signGit(facts)).toBe(fromAwsCli))

  const password = readGitPassword(`${facts.timestamp}Z${fromAwsCli}`)

  it('reads the time of signing', () =>
    expect(password && new Date(signedAt(password)).toISOString()).toBe('2026-11-23T05:00:00.000Z'))

  it.each([
    ['the same facts', {}, true],
    ['another path', { paths: ['/v1/repos/other'] }, false],
    ['another secret', { secret: 'x' }, false],
    ['another region', { regions: ['eu-west-1'] }, false],
    ['another host', { host: 'localhost' }, false],
  ])('verifies %s: %s', (_, change, valid) => {
    const { secret, host } = facts
    expect(
      password && verifyGit(password, { secret, host, regions: [facts.region], paths: [facts.path], ...change }),
    ).toBe(valid)
  })

  it.each(['', 'secret', `20261123T050000${'0'.repeat(64)}`, `20261123T050000Z${'0'.repeat(63)}`])(
    '%j is no signature',
    (text) => expect(readGitPassword(text)).toBeUndefined(),
  )
})
