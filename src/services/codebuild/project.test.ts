import {
  BatchGetProjectsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  type CreateProjectCommandInput,
  DeleteProjectCommand,
  ListCuratedEnvironmentImagesCommand,
  ListProjectsCommand,
  type ProjectEnvironment,
  StartBuildCommand,
  UpdateProjectCommand,
} from '@aws-sdk/client-codebuild'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let codebuild: CodeBuildClient
let role = ''
beforeEach(async () => {
  drydock = await story()
  codebuild = drydock.client(CodeBuildClient)
  role = await drydock.role('builder', 'codebuild.amazonaws.com')
})
afterEach(() => drydock.close())

const settings = (more: Partial<CreateProjectCommandInput> = {}): CreateProjectCommandInput => ({
  name: 'app',
  source: { type: 'NO_SOURCE', buildspec: 'version: 0.2\nphases: {build: {commands: [a]}}' },
  artifacts: { type: 'NO_ARTIFACTS' },
  environment: { type: 'LINUX_CONTAINER', image: 'aws/codebuild/standard:7.0', computeType: 'BUILD_GENERAL1_SMALL' },
  serviceRole: role,
  ...more,
})
const environment = (more: Partial<ProjectEnvironment>) => ({
  environment: {
    ...{ type: 'LINUX_CONTAINER', image: 'aws/codebuild/standard:7.0', computeType: 'BUILD_GENERAL1_SMALL' },
    ...more,
  } as ProjectEnvironment,
})
const create = (more?: Partial<CreateProjectCommandInput>, client = codebuild) =>
  client.send(new CreateProjectCommand(settings(more)))

describe('projects', () => {
  it("are made with AWS's defaults, updated, found by name and ARN, deleted", async () => {
    const { project } = await create({ description: 'first', tags: [{ key: 'team', value: 'a' }] })
    expect(project).toMatchObject({
      name: 'app',
      arn: `arn:aws:codebuild:us-east-1:${drydock.account}:project/app`,
      timeoutInMinutes: 60,
      queuedTimeoutInMinutes: 480,
      cache: { type: 'NO_CACHE' },
      encryptionKey: `arn:aws:kms:us-east-1:${drydock.account}:alias/aws/s3`,
      badge: { badgeEnabled: false },
      environment: { privilegedMode: false, imagePullCredentialsType: 'CODEBUILD', environmentVariables: [] },
      created: drydock.clock.now(),
    })
    await drydock.advance({ minutes: 1 })
    const updated = await codebuild.send(
      new UpdateProjectCommand({ name: 'app', description: '', timeoutInMinutes: 10, concurrentBuildLimit: 2 }),
    )
    expect(updated.project?.description).toBeUndefined()
    expect(updated.project).toMatchObject({ timeoutInMinutes: 10, concurrentBuildLimit: 2, tags: [{ key: 'team' }] })
    expect(updated.project?.lastModified).toEqual(drydock.clock.now())
    const cleared = await codebuild.send(new UpdateProjectCommand({ name: 'app', concurrentBuildLimit: -1 }))
    expect(cleared.project?.concurrentBuildLimit).toBeUndefined()
    const found = await codebuild.send(new BatchGetProjectsCommand({ names: [project?.arn ?? '', 'other'] }))
    expect(found.projects?.map(({ name }) => name)).toEqual(['app'])
    expect(found.projectsNotFound).toEqual(['other'])
    await codebuild.send(new DeleteProjectCommand({ name: 'app' }))
    await codebuild.send(new DeleteProjectCommand({ name: 'app' }))
    await expect(codebuild.send(new UpdateProjectCommand({ name: 'app' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
  })

  it('are listed page by page, in either order', async () => {
    const names = Array.from({ length: 105 }, (_, i) => `p${String(i).padStart(3, '0')}`)
    for (const name of names) await create({ name })
    const first = await codebuild.send(new ListProjectsCommand({}))
    expect(first.projects).toEqual(names.slice(0, 100))
    const second = await codebuild.send(new ListProjectsCommand({ nextToken: first.nextToken }))
    expect([second.projects, second.nextToken]).toEqual([names.slice(100), undefined])
    const last = await codebuild.send(new ListProjectsCommand({ sortBy: 'NAME', sortOrder: 'DESCENDING' }))
    expect(last.projects?.[0]).toBe('p104')
    await expect(codebuild.send(new ListProjectsCommand({ nextToken: 'x' }))).rejects.toMatchObject({
      name: 'InvalidInputException',
    })
  })

  it('exist once', async () => {
    await create()
    await expect(create()).rejects.toMatchObject({
      name: 'ResourceAlreadyExistsException',
      message: `Project already exists: arn:aws:codebuild:us-east-1:${drydock.account}:project/app`,
    })
  })

  const refused: [string, Partial<CreateProjectCommandInput>][] = [
    ['no buildspec and no source', { source: { type: 'NO_SOURCE' } }],
    ['CodeCommit without a location', { source: { type: 'CODECOMMIT' } }],
    ['another host', { source: { type: 'CODECOMMIT', location: 'https://example.com/repo' } }],
    ['S3 without a key', { source: { type: 'S3', location: 'bucket' } }],
    ['only one side of CodePipeline', { source: { type: 'CODEPIPELINE' } }],
    ['S3 artifacts without a bucket', { artifacts: { type: 'S3' } }],
    ['secondary sources without identifier', { secondarySources: [{ type: 'S3', location: 'bucket/key' }] }],
    ['a role of another account', { serviceRole: 'arn:aws:iam::999999999999:role/other' }],
    ['layers without privilege', { cache: { type: 'LOCAL', modes: ['LOCAL_DOCKER_LAYER_CACHE'] } }],
    ['compute of another environment', environment({ computeType: 'BUILD_LAMBDA_1GB' })],
    ["a role's credentials for CodeBuild's own images", environment({ imagePullCredentialsType: 'SERVICE_ROLE' })],
    ['fewer retries than none', { autoRetryLimit: -1 }],
    ['no role at all', { serviceRole: 'builder' }],
    ['a role that is not there', { serviceRole: 'arn:aws:iam::000000000000:role/nobody' }],
  ]
  it.each(refused)('refuse %s', async (_, more) => {
    await expect(create(more)).rejects.toMatchObject({ name: 'InvalidInputException' })
    expect((await codebuild.send(new ListProjectsCommand({}))).projects).toEqual([])
  })

  const absent: [string, Partial<CreateProjectCommandInput>][] = [
    [
      'file systems',
      {
        fileSystemLocations: [
          { type: 'EFS', location: 'fs-1.efs.us-east-1.amazonaws.com:/', mountPoint: '/x', identifier: 'x' },
        ],
      },
    ],
  ]
  it.each(absent)('say that %s are not done', async (_, more) => {
    await expect(create(more)).rejects.toMatchObject({ $metadata: { httpStatusCode: 501 } })
  })

  it('need iam:PassRole, and a role that trusts CodeBuild', async () => {
    const action = { Effect: 'Allow', Action: 'codebuild:*', Resource: '*' }
    const pass = { Effect: 'Allow', Action: 'iam:PassRole', Resource: role }
    const without = await drydock.user('without', [{ Version: '2012-10-17', Statement: [action] }])
    await expect(create({}, drydock.client(CodeBuildClient, without))).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining(`iam:PassRole on resource: ${role}`),
    })
    const alice = await drydock.user('alice', [{ Version: '2012-10-17', Statement: [action, pass] }])
    await create({}, drydock.client(CodeBuildClient, alice))
    const other = await drydock.role('other', 'ec2.amazonaws.com')
    await expect(create({ name: 'two', serviceRole: other })).rejects.toMatchObject({
      message: `CodeBuild is not authorized to perform: sts:AssumeRole on ${other}`,
    })
  })

  it('are told to the trust policy of their role', async () => {
    const trust = (project: string) => ({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: 'codebuild.amazonaws.com' },
          Action: 'sts:AssumeRole',
          Condition: {
            StringEquals: {
              'aws:SourceAccount': drydock.account,
              'aws:SourceArn': `arn:aws:codebuild:us-east-1:${drydock.account}:project/${project}`,
            },
          },
        },
      ],
    })
    await create({ serviceRole: await drydock.role('mine', trust('app')) })
    const other = await drydock.role('theirs', trust('other'))
    await expect(create({ name: 'app2', serviceRole: other })).rejects.toMatchObject({ name: 'InvalidInputException' })
  })

  it('are what IAM decides on', async () => {
    await create()
    const arn = (name: string) => `arn:aws:codebuild:*:*:project/${name}`
    const bob = drydock.client(
      CodeBuildClient,
      await drydock.user('bob', [
        {
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Action: ['codebuild:BatchGetProjects', 'codebuild:BatchGetBuilds'],
              Resource: arn('app'),
            },
          ],
        },
      ]),
    )
    await bob.send(new BatchGetProjectsCommand({ names: ['app'] }))
    await expect(bob.send(new BatchGetProjectsCommand({ names: ['app', 'other'] }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    })
    await expect(bob.send(new StartBuildCommand({ projectName: 'app' }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining('codebuild:StartBuild on resource'),
    })
  })
})

it('curated images are those that run here', async () => {
  const { platforms } = await codebuild.send(new ListCuratedEnvironmentImagesCommand({}))
  expect(platforms?.map(({ platform }) => platform)).toEqual(['UBUNTU', 'AMAZON_LINUX'])
})
