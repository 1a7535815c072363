import { describe, expect, test } from 'vitest'
import type { AwsError } from './errors.ts'
import { facts, serviceModel } from './model/catalog.ts'
import type { ServiceId } from './model/clients.ts'
import { compilePattern } from './pattern.ts'
import { protocols } from './protocols/protocols.ts'
import { validate } from './validate.ts'
import type { IdentifiedCall } from './wire.ts'

const callOf = async (id: ServiceId, operation: string): Promise<IdentifiedCall> => {
  const service = await serviceModel(id)
  return { service, operation: service.operation(operation)!, protocol: protocols[service.protocol], labels: {} }
}

const refusal = async (id: ServiceId, operation: string, input: Record<string, unknown>): Promise<string> => {
  try {
    validate(await callOf(id, operation), input)
  } catch (error) {
    return `${(error as AwsError).code}: ${(error as AwsError).message}`
  }
  return 'accepted'
}

describe('sentences', () => {
  test.each<[ServiceId, string, Record<string, unknown>, string]>([
    [
      'ssm',
      'GetParameter',
      {},
      "ValidationException: 1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null",
    ],
    ['ssm', 'GetParameter', { Name: '/a' }, 'accepted'],
    [
      'logs',
      'DescribeLogGroups',
      { logGroupNamePrefix: '' },
      "InvalidParameterException: 2 validation errors detected: Value '' at 'logGroupNamePrefix' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+; Value '' at 'logGroupNamePrefix' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ],
    [
      'ecr',
      'CreateRepository',
      { repositoryName: 'Upper' },
      "InvalidParameterException: Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '[a-z0-9]+(",
    ],
    [
      'codepipeline',
      'CreatePipeline',
      {
        pipeline: {
          name: 'p',
          roleArn: 'arn:aws:iam::123456789012:role/r',
          version: 1,
          stages: [
            {
              name: 's',
              actions: [
                { name: 'no spaces', actionTypeId: { category: 'Source', owner: 'AWS', provider: 'S3', version: '1' } },
              ],
            },
          ],
        },
      },
      "ValidationException: 1 validation error detected: Value 'no spaces' at 'pipeline.stages.1.member.actions.1.member.name' failed to satisfy constraint: Member must satisfy regular expression pattern: [A-Za-z0-9.@\\-_]+",
    ],
    [
      'codebuild',
      'CreateProject',
      {
        name: 'project',
        source: { type: 'SVN' },
        artifacts: { type: 'NO_ARTIFACTS' },
        environment: { type: 'LINUX_CONTAINER', image: 'x', computeType: 'BUILD_GENERAL1_SMALL' },
        serviceRole: 'role',
      },
      "ValidationException: 1 validation error detected: Value 'SVN' at 'source.type' failed to satisfy constraint: Member must satisfy enum value set: [",
    ],
    [
      'iam',
      'CreateUser',
      { UserName: 'a b' },
      "ValidationError: 1 validation error detected: Value 'a b' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+",
    ],
    ['codecommit', 'GetRepository', {}, 'RepositoryNameRequiredException: '],
    ['codecommit', 'GetRepository', { repositoryName: 'a b' }, 'InvalidRepositoryNameException: '],
    ['codedeploy', 'CreateApplication', {}, 'ApplicationNameRequiredException: '],
    ['ec2', 'TerminateInstances', {}, 'MissingParameter: The request must contain the parameter InstanceId'],
    [
      'ec2',
      'RunInstances',
      { MinCount: 1, MaxCount: 1, InstanceType: 'huge' },
      "InvalidParameterValue: Invalid value 'huge' for InstanceType.",
    ],
    ['s3', 'PutBucketVersioning', { Bucket: 'b' }, 'MalformedXML: The XML you provided was not well-formed'],
    ['sqs', 'CreateQueue', {}, 'MissingParameter: The request must contain the parameter QueueName.'],
    ['dynamodb', 'DescribeTable', { TableName: 1 }, 'SerializationException: '],
    [
      'lambda',
      'GetFunction',
      { FunctionName: '' },
      "ValidationException: 2 validation errors detected: Value '' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: ",
    ],
  ])('%s %s', async (id, operation, input, expected) => {
    const said = await refusal(id, operation, input)
    if (expected === 'accepted') expect(said).toBe(expected)
    else expect(said.startsWith(expected), `${said}\nshould start with\n${expected}`).toBe(true)
  })

  test('a secret is not repeated', async () => {
    const said = await refusal('iam', 'CreateLoginProfile', { UserName: 'u', Password: `${'geheim'.repeat(30)}\u0000` })
    expect(said).toContain("Value at 'password' failed")
    expect(said).not.toContain('geheim')
  })

  test('nulls in lists, wrong types deep inside', async () => {
    expect(await refusal('ssm', 'GetParameters', { Names: ['a', null] })).toContain("Value null at 'names.2.member'")
    expect(await refusal('ssm', 'GetParameters', { Names: 'a' })).toContain('SerializationException')
    expect(await refusal('iam', 'TagUser', { UserName: 'u', Tags: [{ Key: 'a', Value: 1 }] })).toContain(
      "at 'tags.1.member.value'",
    )
  })

  test('whole numbers where the model has them', async () => {
    expect(await refusal('ssm', 'DescribeParameters', { MaxResults: 2.5 })).toContain('SerializationException')
    expect(await refusal('ssm', 'DescribeParameters', { MaxResults: 51 })).toContain('less than or equal to 50')
    expect(await refusal('ssm', 'DescribeParameters', { MaxResults: 50 })).toBe('accepted')
  })
})

describe('constraints', () => {
  test('every pattern of every service compiles, and none can be made to run for long', {
    timeout: 60_000,
  }, async () => {
    const slow: string[] = []
    const broken: string[] = []
    const seen = new Set<string>()
    for (const { id } of facts) {
      const { constraints } = await serviceModel(id)
      for (const { pattern, max } of constraints.nodes) {
        if (pattern === undefined || seen.has(pattern)) continue
        seen.add(pattern)
        const matches = compilePattern(pattern)
        if (!matches) {
          broken.push(pattern)
          continue
        }
        const length = Math.min(max ?? 4096, 4096)
        for (const piece of ['a', '/', 'a/', '-', 'a-', 'a.', '0', 'A', ':', ' ', '$.', 'arn:aws:']) {
          const text = `${piece.repeat(Math.ceil(length / piece.length)).slice(0, length)}\u0000`
          const from = performance.now()
          matches(text)
          if (performance.now() - from > 2000) slow.push(`${id}: ${pattern} on ${piece}`)
        }
      }
    }
    expect(broken).toEqual([])
    expect(slow).toEqual([])
    expect(seen.size).toBeGreaterThan(400)
  })

  test.each<[string, string, boolean]>([
    ['[\\w\\.-]+', 'a-b.c', true],
    ['[\\w\\.-]+', 'a b', false],
    ['[\\w+=,.@-]+', 'x@y-z', true],
    ['[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*', 'Grüße 1', true],
    ['[\\p{Alnum}_]+', 'a_1', true],
    ['\\P{C}+', 'ok\u0001', false],
    ['(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*', 'team/app-1', true],
    ['(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*', 'Team', false],
    ['[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+', '{"a":\n1}', true],
    ['^[a-z]+$', 'abc', true],
    ['abc', 'xabcx', false],
    ['(?s).*\\S.*', ' \na\n', true],
    ['(?!aws:)[a-z:]+', 'aws:x', false],
  ])('%s on %s', (pattern, text, expected) => {
    expect(compilePattern(pattern)?.(text)).toBe(expected)
  })
})
