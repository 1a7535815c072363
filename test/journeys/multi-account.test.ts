import {
  CodeCommitClient,
  CreateCommitCommand,
  CreateRepositoryCommand,
  GetBranchCommand,
} from '@aws-sdk/client-codecommit'
import {
  CodePipelineClient,
  CreatePipelineCommand,
  GetPipelineStateCommand,
  ListPipelineExecutionsCommand,
  StartPipelineExecutionCommand,
} from '@aws-sdk/client-codepipeline'
import { CreateRoleCommand, DeleteRolePolicyCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { CreateOrganizationCommand, OrganizationsClient } from '@aws-sdk/client-organizations'
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAccount, enter } from '../member-accounts.ts'
import { allow, type Keys, type Story, story } from '../story.ts'

// A pipeline in one account, its source in another: "Create a pipeline in CodePipeline that uses resources from another
// AWS account", CodePipeline user guide.

let key: string
let drydock: Story
let dev: string
let visitor: Keys
const pipeline = 'arn:aws:iam::000000000000:role/pipeline'
beforeAll(async () => {
  drydock = await story()
  await drydock.client(OrganizationsClient).send(new CreateOrganizationCommand({}))
  dev = await createAccount(drydock, 'dev')
  visitor = await drydock.user('ana', [allow('sts:AssumeRole')])
  const admin = await enter(drydock, visitor, dev)

  // The account with the source: a repository, and a role that the pipeline's account may assume.
  const codecommit = drydock.client(CodeCommitClient, admin)
  await codecommit.send(new CreateRepositoryCommand({ repositoryName: 'site' }))
  await codecommit.send(
    new CreateCommitCommand({
      repositoryName: 'site',
      branchName: 'main',
      commitMessage: 'First',
      putFiles: [{ filePath: 'index.html', fileContent: Buffer.from('hello') }],
    }),
  )
  const iam = drydock.client(IAMClient, admin)
  await iam.send(
    new CreateRoleCommand({
      RoleName: 'source',
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { AWS: drydock.account }, Action: 'sts:AssumeRole' }],
      }),
    }),
  )
  // Only a customer's key can be used by another account: `alias/aws/s3` is its own account's.
  const { KeyMetadata } = await drydock.client(KMSClient).send(
    new CreateKeyCommand({
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: [`arn:aws:iam::${drydock.account}:root`, `arn:aws:iam::${dev}:role/source`].map((AWS, index) => ({
          Effect: 'Allow',
          Principal: { AWS },
          Action: index === 0 ? 'kms:*' : 'kms:GenerateDataKey',
          Resource: '*',
        })),
      }),
    }),
  )
  key = KeyMetadata?.Arn ?? ''
  await iam.send(grantSource())

  // The account with the pipeline: its role, the bucket for artifacts and the one that is published to.
  const s3 = drydock.client(S3Client)
  for (const Bucket of ['artifacts', 'site']) await s3.send(new CreateBucketCommand({ Bucket }))
  await drydock.role('pipeline', 'codepipeline.amazonaws.com', [
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject']),
    allow('sts:AssumeRole', `arn:aws:iam::${dev}:role/source`),
    allow('kms:Decrypt', key),
  ])
  await drydock.client(CodePipelineClient).send(
    new CreatePipelineCommand({
      pipeline: {
        name: 'release',
        roleArn: pipeline,
        artifactStore: { type: 'S3', location: 'artifacts', encryptionKey: { id: key, type: 'KMS' } },
        stages: [
          {
            name: 'Source',
            actions: [
              {
                name: 'Fetch',
                roleArn: `arn:aws:iam::${dev}:role/source`,
                actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeCommit', version: '1' },
                configuration: { RepositoryName: 'site', BranchName: 'main' },
                outputArtifacts: [{ name: 'App' }],
              },
            ],
          },
          {
            name: 'Publish',
            actions: [
              {
                name: 'Copy',
                actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
                configuration: { BucketName: 'site', Extract: 'true' },
                inputArtifacts: [{ name: 'App' }],
              },
            ],
          },
        ],
      },
    }),
  )
})
afterAll(() => drydock.close())

const grantSource = () =>
  new PutRolePolicyCommand({
    RoleName: 'source',
    PolicyName: 'source',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: [
            'codecommit:GetBranch',
            'codecommit:GetCommit',
            'codecommit:UploadArchive',
            'codecommit:GetUploadArchiveStatus',
          ],
          Resource: `arn:aws:codecommit:us-east-1:${dev}:site`,
        },
        { Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::artifacts/*' },
        { Effect: 'Allow', Action: 'kms:GenerateDataKey', Resource: key },
      ],
    }),
  })

const admitSource = () =>
  new PutBucketPolicyCommand({
    Bucket: 'artifacts',
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: `arn:aws:iam::${dev}:role/source` },
          Action: 's3:PutObject',
          Resource: 'arn:aws:s3:::artifacts/*',
        },
      ],
    }),
  })

/** Status of the two stages' actions once an execution has come to its end, and what the source action complains of. */
const release = async () => {
  const codepipeline = drydock.client(CodePipelineClient)
  await codepipeline.send(new StartPipelineExecutionCommand({ name: 'release' }))
  await drydock.settled()
  const { stageStates } = await codepipeline.send(new GetPipelineStateCommand({ name: 'release' }))
  const [source, publish] = stageStates ?? []
  return {
    source: source?.actionStates?.[0]?.latestExecution?.status,
    complaint: source?.actionStates?.[0]?.latestExecution?.errorDetails?.message ?? '',
    publish: publish?.latestExecution?.status,
  }
}

test('the source comes from the other account, when its role and the artifact bucket both allow', async () => {
  const s3 = drydock.client(S3Client)
  await s3.send(admitSource())
  expect(await release()).toMatchObject({ source: 'Succeeded', publish: 'Succeeded' })
  const page = await s3.send(new GetObjectCommand({ Bucket: 'site', Key: 'index.html' }))
  expect(await page.Body?.transformToString()).toMatch(/^(hello|pushed)$/)
})

test('the artifact bucket does not know the other account’s role: the source action fails', async () => {
  await drydock.client(S3Client).send(new DeleteBucketPolicyCommand({ Bucket: 'artifacts' }))
  const { source, complaint } = await release()
  expect(source).toBe('Failed')
  expect(complaint).toMatch(/s3:PutObject .*because no resource-based policy allows the s3:PutObject action/)
})

test('the other account’s role lacks the right to read the repository: the source action fails', async () => {
  await drydock.client(S3Client).send(admitSource())
  const iam = drydock.client(IAMClient, await enter(drydock, visitor, dev))
  await iam.send(new DeleteRolePolicyCommand({ RoleName: 'source', PolicyName: 'source' }))
  const { source, complaint } = await release()
  expect(source).toBe('Failed')
  expect(complaint).toMatch(/codecommit:GetBranch .*because no identity-based policy allows/)
  await iam.send(grantSource())
})

test('a push in the other account starts the pipeline within a minute', async () => {
  const s3 = drydock.client(S3Client)
  await s3.send(admitSource())
  await drydock.advance({ minutes: 1 })
  const started = async () =>
    (await drydock.client(CodePipelineClient).send(new ListPipelineExecutionsCommand({ pipelineName: 'release' })))
      .pipelineExecutionSummaries ?? []
  const before = (await started()).length
  await drydock.advance({ minutes: 5 })
  expect(await started()).toHaveLength(before)

  const codecommit = drydock.client(CodeCommitClient, await enter(drydock, visitor, dev))
  const { branch } = await codecommit.send(new GetBranchCommand({ repositoryName: 'site', branchName: 'main' }))
  const pushed = await codecommit.send(
    new CreateCommitCommand({
      repositoryName: 'site',
      branchName: 'main',
      parentCommitId: branch?.commitId,
      putFiles: [{ filePath: 'index.html', fileContent: Buffer.from('pushed') }],
    }),
  )
  await drydock.advance({ minutes: 1 })
  const [latest, ...others] = await started()
  expect(others).toHaveLength(before)
  expect(latest).toMatchObject({ trigger: { triggerType: 'PollForSourceChanges' }, status: 'Succeeded' })
  expect(latest?.sourceRevisions?.[0]?.revisionId).toBe(pushed.commitId)
  const page = await s3.send(new GetObjectCommand({ Bucket: 'site', Key: 'index.html' }))
  expect(await page.Body?.transformToString()).toBe('pushed')
})
