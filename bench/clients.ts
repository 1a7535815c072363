import { EC2Client } from '@aws-sdk/client-ec2'
import { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from '@aws-sdk/client-iam'
import { S3Client } from '@aws-sdk/client-s3'
import type { Keys } from './sign.ts'

export const root: Keys = { accessKeyId: 'test', secretAccessKey: 'test' }

const options = (endpoint: string) => ({ endpoint, region: 'us-east-1', credentials: root })

/** Clients of the measured server and its peers, for what is set up before a measurement. */
export const clients = (endpoint: string) => ({
  ec2: new EC2Client(options(endpoint)),
  events: new EventBridgeClient(options(endpoint)),
  iam: new IAMClient(options(endpoint)),
  s3: new S3Client({ ...options(endpoint), forcePathStyle: true }),
})
export type Clients = ReturnType<typeof clients>

/** A user whose policy has to be looked up and weighed for each call, as real callers' are; root needs no policy. */
export const user = async ({ iam }: Clients): Promise<Keys> => {
  await iam.send(new CreateUserCommand({ UserName: 'bench' }))
  const statement = (Sid: string, ...Action: string[]) => ({ Sid, Effect: 'Allow', Action, Resource: '*' })
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      statement('Parameters', 'ssm:Get*', 'ssm:Describe*'),
      statement('Logs', 'logs:*'),
      statement('Machines', 'ec2:Describe*'),
      statement('Objects', 's3:GetObject', 's3:PutObject'),
    ],
  })
  await iam.send(new PutUserPolicyCommand({ UserName: 'bench', PolicyName: 'bench', PolicyDocument }))
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'bench' }))
  return { accessKeyId: AccessKey?.AccessKeyId ?? '', secretAccessKey: AccessKey?.SecretAccessKey ?? '' }
}
