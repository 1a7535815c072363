import { expect, test } from 'vitest'
import { policyOf } from './policy.ts'

const resourcesOf = async (action: string, arns: string[], placeholders = false) =>
  JSON.parse(await policyOf([{ action, arns }], placeholders)).Statement[0].Resource

test.each([
  ['s3:GetObject', 'arn:aws:s3:::b/k/x', 'arn:aws:s3:::b/*'],
  ['s3:ListBucket', 'arn:aws:s3:::b', 'arn:aws:s3:::b'],
  [
    'logs:CreateLogStream',
    'arn:aws:logs:us-east-1:111122223333:log-group:/aws/codebuild/app:log-stream:0a-1b',
    'arn:aws:logs:us-east-1:111122223333:log-group:/aws/codebuild/app:log-stream:*',
  ],
  [
    'logs:CreateLogGroup',
    'arn:aws:logs:us-east-1:111122223333:log-group:/aws/codebuild/app:log-stream:',
    'arn:aws:logs:us-east-1:111122223333:log-group:/aws/codebuild/app:*',
  ],
  [
    'codedeploy:CreateDeployment',
    'arn:aws:codedeploy:us-east-1:111122223333:deploymentgroup:app/production',
    'arn:aws:codedeploy:us-east-1:111122223333:deploymentgroup:app/*',
  ],
  ['iam:GetRole', 'arn:aws:iam::111122223333:role/path/r', 'arn:aws:iam::111122223333:role/path/r'],
  ['ec2:DescribeInstances', '', '*'],
])('%s on %s', async (action, arn, expected) => {
  expect(await resourcesOf(action, arn === '' ? [] : [arn])).toBe(expected)
})

test('placeholders are the ARN formats of what was used', async () => {
  expect(await resourcesOf('s3:GetObject', ['arn:aws:s3:::b/k'], true)).toBe('arn:aws:s3:::${BucketName}/${ObjectName}')
  expect(await resourcesOf('sqs:SendMessage', [], true)).toBe('arn:aws:sqs:${Region}:${Account}:${QueueName}')
})
