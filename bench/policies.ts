import { evaluate } from '../src/policy/evaluate.ts'
import type { AccessRequest, AppliedPolicy, Statement } from '../src/policy/policy.ts'
import { type Figure, median, shown } from './figure.ts'

// Decisions of the policy engine: an identity with 1, 10 and 100 attached policies, of the services an account uses.

const account = '111122223333'
const services = ['s3', 'codecommit', 'codebuild', 'logs', 'sqs', 'sns', 'ec2', 'lambda', 'dynamodb', 'kms']

const statements = (service: string, index: number): readonly Statement[] => [
  {
    Effect: 'Allow',
    Action: [`${service}:Get*`, `${service}:List*`, `${service}:Describe*`, `${service}:BatchGetItem`],
    Resource: [`arn:aws:${service}:*:${account}:team-${index}/*`, `arn:aws:${service}:::team-${index}/*`],
  },
  {
    Effect: 'Allow',
    Action: [`${service}:Put*`, `${service}:Create*`, `${service}:*Object`],
    Resource: `arn:aws:${service}:::\${aws:username}-*`,
    Condition: { StringEquals: { 'aws:RequestedRegion': ['us-east-1', 'eu-west-1'] } },
  },
  {
    Effect: 'Deny',
    Action: `${service}:Delete*`,
    Resource: '*',
  },
]
const policy = (index: number): AppliedPolicy => ({
  kind: 'identity',
  id: `policy-${index}`,
  document: { Version: '2012-10-17', Statement: statements(services[index % services.length] ?? '', index) },
})

const asked = (count: number): AccessRequest => ({
  principal: { kind: 'user', account, arn: `arn:aws:iam::${account}:user/alice` },
  action: 's3:PutObject',
  resource: 'arn:aws:s3:::alice-reports/2026/may.csv',
  resourceAccount: account,
  context: { 'aws:username': ['alice'], 'aws:requestedregion': ['eu-west-1'], 'aws:securetransport': ['true'] },
  policies: Array.from({ length: count }, (_, index) => policy(index)),
})

/** How often `body` runs in a second. */
const rate = (body: () => unknown): number => {
  const until = performance.now() + 150
  const since = performance.now()
  let rounds = 0
  while (performance.now() < until) for (let turn = 0; turn < 50; turn++, rounds++) body()
  return rounds / ((performance.now() - since) / 1000)
}

/** The least a decision can be: one look at each statement, and that no more than a word in a set. */
const sweep = (request: AccessRequest): (() => number) => {
  const sets = request.policies.flatMap(({ document }) =>
    [document.Statement].flat().map((statement) => new Set([statement.Action].flat())),
  )
  return () => sets.reduce((found, set) => found + (set.has(request.action) ? 1 : 0), 0)
}

export const policies = async (): Promise<readonly Figure[]> =>
  [1, 10, 100].map((count): Figure => {
    const request = asked(count)
    if (evaluate(request).decision !== 'allowed') throw new Error('the policies of the bench do not allow its request')
    const least = sweep(request)
    const text = JSON.stringify(request.policies[0]?.document)
    const rounds = Array.from({ length: 7 }, () => ({
      ours: rate(() => evaluate(request)),
      least: rate(least),
      parses: rate(() => JSON.parse(text)),
    }))
    // The first rounds are the compiler's.
    const warm = rounds.slice(2)
    const middle = (of: 'ours' | 'least' | 'parses') => median(warm.map((round) => round[of]))
    return {
      name: `decision with ${count} attached ${count === 1 ? 'policy' : 'policies'} of 3 statements`,
      against: `one Set lookup a statement, Node ${process.version}`,
      value: median(warm.map(({ ours, least: theirs }) => ours / theirs)),
      unit: '×',
      detail: `${shown(middle('ours'))}/s against ${shown(middle('least'))}/s; JSON.parse of one policy ${shown(middle('parses'))}/s`,
    }
  })
