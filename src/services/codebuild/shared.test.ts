import { createHash } from 'node:crypto'
import {
  BatchGetBuildsCommand,
  BatchGetFleetsCommand,
  BatchGetProjectsCommand,
  CodeBuildClient,
  CreateFleetCommand,
  DeleteFleetCommand,
  DeleteResourcePolicyCommand,
  GetResourcePolicyCommand,
  ListFleetsCommand,
  ListSharedProjectsCommand,
  PutResourcePolicyCommand,
  StartBuildBatchCommand,
  UpdateFleetCommand,
  UpdateProjectCommand,
  UpdateProjectVisibilityCommand,
} from '@aws-sdk/client-codebuild'
import { CreateOrganizationCommand, OrganizationsClient } from '@aws-sdk/client-organizations'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { allow, codebuild, drydock, ended, look, onBench, project, run, start, waits, when } from './builds-bench.ts'

onBench()

it('builds of a fleet wait until it has room', async () => {
  const input = {
    name: 'pool',
    baseCapacity: 1,
    environmentType: 'LINUX_CONTAINER',
    computeType: 'BUILD_GENERAL1_SMALL',
  } as const
  const { fleet } = await codebuild.send(new CreateFleetCommand(input))
  expect(fleet).toMatchObject({ name: 'pool', status: { statusCode: 'ACTIVE' }, overflowBehavior: 'QUEUE' })
  await expect(codebuild.send(new CreateFleetCommand(input))).rejects.toMatchObject({
    name: 'ResourceAlreadyExistsException',
  })
  expect((await codebuild.send(new ListFleetsCommand({}))).fleets).toEqual([fleet?.arn])
  await project({
    buildspec: waits,
    environment: {
      type: 'LINUX_CONTAINER',
      image: 'aws/codebuild/standard:7.0',
      computeType: 'BUILD_GENERAL1_SMALL',
      fleet: { fleetArn: fleet?.arn },
    },
  })
  const short = 'version: 0.2\nphases: {build: {commands: [echo a]}}'
  const first = await start()
  await when(first?.id, ({ currentPhase }) => currentPhase === 'BUILD')
  const second = await start({ buildspecOverride: short })
  await drydock.advance({ minutes: 2 })
  expect((await look(second?.id)).currentPhase).toBe('QUEUED')
  const scaling = { scalingType: 'TARGET_TRACKING_SCALING', maxCapacity: 2 } as const
  const more = await codebuild.send(new UpdateFleetCommand({ arn: fleet?.arn, scalingConfiguration: scaling }))
  expect(more.fleet?.scalingConfiguration).toMatchObject({ desiredCapacity: 1, maxCapacity: 2 })
  await drydock.advance({ minutes: 2 })
  const built = await when(second?.id, ended)
  expect(built.buildStatus).toBe('SUCCEEDED')
  const queued = built.phases?.find(({ phaseType }) => phaseType === 'QUEUED')
  expect(queued?.durationInSeconds).toBeGreaterThanOrEqual(120)
  await codebuild.send(new DeleteFleetCommand({ arn: fleet?.arn }))
  const gone = await codebuild.send(new BatchGetFleetsCommand({ names: ['pool'] }))
  expect(gone.fleetsNotFound).toEqual(['pool'])
  await expect(start()).rejects.toMatchObject({ name: 'InvalidInputException' })
})

it('a project is shared with another account by its policy', async () => {
  const made = await project()
  const build = await run()
  await drydock.client(OrganizationsClient).send(new CreateOrganizationCommand({}))
  const other = await createAccount(drydock, 'other')
  const visitor = await drydock.user('visitor', [allow(['sts:AssumeRole'])])
  const theirs = drydock.client(CodeBuildClient, await enter(drydock, visitor, other))
  const resourceArn = made?.arn ?? ''
  await expect(theirs.send(new BatchGetProjectsCommand({ names: [resourceArn] }))).rejects.toMatchObject({
    name: 'AccessDeniedException',
  })
  const actions = ['codebuild:BatchGetProjects', 'codebuild:BatchGetBuilds']
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${other}:root` }, Action: actions, Resource: resourceArn },
    ],
  })
  await codebuild.send(new PutResourcePolicyCommand({ resourceArn, policy }))
  expect((await codebuild.send(new GetResourcePolicyCommand({ resourceArn }))).policy).toBe(policy)
  expect((await theirs.send(new ListSharedProjectsCommand({}))).projects).toEqual([resourceArn])
  const { projects } = await theirs.send(new BatchGetProjectsCommand({ names: [resourceArn] }))
  expect(projects?.[0]?.arn).toBe(resourceArn)
  const { builds } = await theirs.send(new BatchGetBuildsCommand({ ids: [build.arn ?? ''] }))
  expect(builds?.[0]?.id).toBe(build.id)
  await codebuild.send(new DeleteResourcePolicyCommand({ resourceArn }))
  expect((await theirs.send(new ListSharedProjectsCommand({}))).projects).toEqual([])
  await expect(
    codebuild.send(new PutResourcePolicyCommand({ resourceArn, policy: '{"Statement":[]}' })),
  ).rejects.toMatchObject({ name: 'InvalidInputException' })
})

it('a badge says how the last build went', async () => {
  const made = await project({ badgeEnabled: true })
  const url = made?.badge?.badgeRequestUrl ?? ''
  const shown = async () => (await fetch(url)).text()
  expect(await shown()).toMatch(/<svg.*aria-label="build: unknown"/)
  await run({ sourceVersion: 'main' })
  expect(await shown()).toMatch(/build: passing/)
  await drydock.advance({ seconds: 1 })
  await run({ sourceVersion: 'main', buildspecOverride: 'version: 0.2\nphases: {build: {commands: [exit 1]}}' })
  expect(await shown()).toMatch(/build: failing/)
  await codebuild.send(new UpdateProjectCommand({ name: 'app', badgeEnabled: false }))
  expect((await fetch(url)).status).toBe(404)
})

it('a public project shows its builds, their logs as its role may read them', async () => {
  const made = await project({ buildspec: 'version: 0.2\nphases: {build: {commands: [echo seen by all]}}' })
  const build = await run()
  const resourceAccessRole = await drydock.role('reader', 'codebuild.amazonaws.com', [allow(['logs:GetLogEvents'])])
  const { publicProjectAlias } = await codebuild.send(
    new UpdateProjectVisibilityCommand({ projectArn: made?.arn, projectVisibility: 'PUBLIC_READ', resourceAccessRole }),
  )
  const page = `${drydock.endpoint}/_drydock/codebuild/public/${publicProjectAlias}`
  expect(await (await fetch(page)).json()).toMatchObject({ project: 'app', builds: [{ id: build.id }] })
  const text = await (await fetch(`${page}/${build.id?.split(':')[1]}`)).text()
  expect(text).toContain('seen by all')
  expect(text).not.toContain('builder')
  await codebuild.send(new UpdateProjectVisibilityCommand({ projectArn: made?.arn, projectVisibility: 'PRIVATE' }))
  expect((await fetch(page)).status).toBe(404)
})

it('a public project gives out its artifacts, as its role may read them', async () => {
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'outputs' }))
  const store = (packaging: 'ZIP' | 'NONE', artifactIdentifier?: string) =>
    ({ type: 'S3', location: 'outputs', name: `app-${packaging}`, packaging, artifactIdentifier }) as const
  const made = await project({
    buildspec: `version: 0.2
phases: {build: {commands: [mkdir -p 'a b', "echo '<b>hi</b>' > 'a b/page.html'", echo other > other]}}
artifacts: {files: ['**/*'], secondary-artifacts: {raw: {files: ['**/*']}}}
`,
    artifacts: store('ZIP'),
    secondaryArtifacts: [store('NONE', 'raw')],
  })
  const build = await run()
  expect(build.buildStatus).toBe('SUCCEEDED')
  await s3.send(new PutObjectCommand({ Bucket: 'outputs', Key: 'app-NONE-secret', Body: 'secret' }))
  const open = async (name: string, actions: string[]) => {
    const resourceAccessRole = await drydock.role(name, 'codebuild.amazonaws.com', [allow(actions)])
    const input = { projectArn: made?.arn, projectVisibility: 'PUBLIC_READ', resourceAccessRole } as const
    const { publicProjectAlias } = await codebuild.send(new UpdateProjectVisibilityCommand(input))
    return `${drydock.endpoint}/_drydock/codebuild/public/${publicProjectAlias}/${build.id?.split(':')[1]}`
  }
  const page = await open('giver', ['s3:GetObject', 's3:ListBucket'])
  const { artifacts } = (await (await fetch(page)).json()) as {
    artifacts: { artifactIdentifier?: string; sha256sum?: string; files: string[] }[]
  }
  const [zip, raw] = artifacts
  expect(raw).toMatchObject({
    artifactIdentifier: 'raw',
    files: [`${page}/artifacts/1/a%20b/page.html`, `${page}/artifacts/1/other`],
  })
  const answer = await fetch(raw?.files[0] ?? '')
  expect(await answer.text()).toBe('<b>hi</b>\n')
  expect(answer.headers.get('content-disposition')).toBe('attachment')
  expect(answer.headers.get('content-type')).toBe('application/octet-stream')
  expect(zip?.files).toEqual([`${page}/artifacts/0`])
  const archive = Buffer.from(await (await fetch(zip?.files[0] ?? '')).arrayBuffer())
  expect(createHash('sha256').update(archive).digest('hex')).toBe(zip?.sha256sum)
  for (const path of [
    '/artifacts/1-secret',
    '/artifacts/1/../app-NONE-secret',
    '/artifacts/1',
    '/artifacts/2',
    '/artifacts/1/%',
  ])
    expect([403, 404], path).toContain((await fetch(`${page}${path}`)).status)
  const batchRole = await drydock.role('batches', 'codebuild.amazonaws.com', [allow(['codebuild:StartBuild'])])
  const { buildBatch } = await codebuild.send(
    new StartBuildBatchCommand({
      projectName: 'app',
      buildspecOverride: `version: 0.2
batch: {build-list: [{identifier: one}]}
phases: {build: {commands: [echo batched > file]}}
artifacts: {files: [file]}
`,
      artifactsOverride: { type: 'S3', location: 'outputs', name: 'all', packaging: 'NONE' },
      secondaryArtifactsOverride: [],
      buildBatchConfigOverride: { serviceRole: batchRole, combineArtifacts: true },
    }),
  )
  const home = page.slice(0, page.lastIndexOf('/'))
  type Shown = { buildBatchStatus: string; buildGroups: object[]; artifacts: { files: string[] }[] }
  const shown = async () => (await (await fetch(`${home}/batches/${buildBatch?.id?.split(':')[1]}`)).json()) as Shown
  while ((await shown()).buildBatchStatus === 'IN_PROGRESS') await new Promise((turn) => setTimeout(turn, 10))
  const batch = await shown()
  expect(batch).toMatchObject({
    buildBatchStatus: 'SUCCEEDED',
    buildGroups: [{ identifier: 'one', buildStatus: 'SUCCEEDED' }],
  })
  expect(JSON.stringify(batch)).not.toContain('arn:aws:iam')
  expect(await (await fetch(batch.artifacts[0]?.files[0] ?? '')).text()).toBe('batched\n')
  expect(await (await fetch(home)).json()).toMatchObject({ batches: [{ id: buildBatch?.id }] })

  await open('blind', ['logs:GetLogEvents'])
  expect(((await (await fetch(page)).json()) as { artifacts?: object }).artifacts).toBeUndefined()
  expect((await fetch(`${page}/artifacts/0`)).status).toBe(404)
})
