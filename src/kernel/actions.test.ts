import { describe, expect, test } from 'vitest'
import { actionModel, resourcesOf } from './actions.ts'

const place = { account: '123456789012', region: 'eu-west-1', partition: 'aws' } as const
const resources = async (action: string, input: Record<string, unknown>) =>
  resourcesOf(await actionModel(action), input, place)

describe('what an input says of the resources it is about', () => {
  test.each<[action: string, input: Record<string, unknown>, resources: string[]]>([
    ['codecommit:GetBranch', { repositoryName: 'r' }, ['arn:aws:codecommit:eu-west-1:123456789012:r']],
    [
      'codecommit:BatchGetRepositories',
      { repositoryNames: ['a', 'b'] },
      ['arn:aws:codecommit:eu-west-1:123456789012:a', 'arn:aws:codecommit:eu-west-1:123456789012:b'],
    ],
    ['codebuild:StartBuild', { projectName: 'p' }, ['arn:aws:codebuild:eu-west-1:123456789012:project/p']],
    ['codepipeline:GetPipeline', { name: 'p' }, ['arn:aws:codepipeline:eu-west-1:123456789012:p']],
    [
      'codecommit:TagResource',
      { resourceArn: 'arn:aws:codecommit:us-east-1:000000000000:r' },
      ['arn:aws:codecommit:us-east-1:000000000000:r'],
    ],
    ['iam:ListUsers', {}, ['*']],
    ['codecommit:GetBranch', {}, ['*']],
    ['no:SuchAction', { repositoryName: 'r' }, ['*']],
    // Names that look like a replacement pattern, and an ARN of another service.
    ['codecommit:GetBranch', { repositoryName: '$&$1' }, ['arn:aws:codecommit:eu-west-1:123456789012:$&$1']],
    [
      'codecommit:GetBranch',
      { repositoryName: 'r', other: 'arn:aws:s3:::b' },
      ['arn:aws:codecommit:eu-west-1:123456789012:r'],
    ],
    // Values of a wrong type name nothing.
    ['codecommit:GetBranch', { repositoryName: { a: 1 } }, ['*']],
    ['codecommit:GetBranch', { repositoryName: [1, null] }, ['*']],
  ])('%s %j', async (action, input, expected) => {
    expect(await resources(action, input)).toEqual(expected)
  })
})
