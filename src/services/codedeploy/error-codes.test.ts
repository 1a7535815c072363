import {
  BatchGetApplicationRevisionsCommand,
  BatchGetApplicationsCommand,
  BatchGetDeploymentGroupsCommand,
  BatchGetDeploymentInstancesCommand,
  BatchGetDeploymentsCommand,
  BatchGetDeploymentTargetsCommand,
  CodeDeployClient,
  CreateApplicationCommand,
  CreateDeploymentCommand,
  CreateDeploymentConfigCommand,
  CreateDeploymentGroupCommand,
  DeleteApplicationCommand,
  DeleteDeploymentGroupCommand,
  GetApplicationRevisionCommand,
  GetDeploymentConfigCommand,
  GetDeploymentTargetCommand,
  ListApplicationRevisionsCommand,
  ListDeploymentInstancesCommand,
  ListDeploymentsCommand,
  ListDeploymentTargetsCommand,
  RegisterApplicationRevisionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateApplicationCommand,
  UpdateDeploymentGroupCommand,
} from '@aws-sdk/client-codedeploy'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

// Which of its errors CodeDeploy has for what is wrong with a request: one for every member, none of them ValidationException.

let drydock: Story
let codedeploy: CodeDeployClient
let serviceRoleArn: string
/** A deployment that has ended without an instance. */
let deploymentId: string
beforeAll(async () => {
  drydock = await story()
  codedeploy = drydock.client(CodeDeployClient)
  serviceRoleArn = await drydock.role('deployer', 'codedeploy.amazonaws.com', [allow('ec2:DescribeInstances')])
  await codedeploy.send(new CreateApplicationCommand({ applicationName: 'app' }))
  await codedeploy.send(new CreateDeploymentGroupCommand({ ...group, serviceRoleArn }))
  const started = await codedeploy.send(new CreateDeploymentCommand({ ...group, revision: location('a.zip') }))
  deploymentId = started.deploymentId ?? ''
  await drydock.settled()
})
afterAll(() => drydock.close())

const application = { applicationName: 'app' }
const group = { ...application, deploymentGroupName: 'group' }
const location = (key: string) => ({
  revisionType: 'S3' as const,
  s3Location: { bucket: 'bundles', key, bundleType: 'zip' as const },
})
/** What no client lets through by its types. */
const odd = (value: unknown) => value as never

test.each([
  ['InvalidTagsToAddException', () => tagged([{ Key: 'aws:x', Value: '1' }])],
  ['InvalidTagsToAddException', () => tagged([{ Value: '1' }])],
  [
    'InvalidTagsToAddException',
    () => tagged(Array.from({ length: 51 }, (_, index) => ({ Key: `k${index}`, Value: '' }))),
  ],
  ['TagRequiredException', () => new TagResourceCommand({ ResourceArn: arn(), Tags: [] })],
  ['TagRequiredException', () => new UntagResourceCommand({ ResourceArn: arn(), TagKeys: [] })],
  ['TagRequiredException', () => new TagResourceCommand({ ResourceArn: arn(), Tags: odd(undefined) })],
  ['ApplicationNameRequiredException', () => new UpdateApplicationCommand({ newApplicationName: 'x' })],
  ['InvalidApplicationNameException', () => new DeleteApplicationCommand({ applicationName: 'a b' })],
  [
    'InvalidDeploymentGroupNameException',
    () => new DeleteDeploymentGroupCommand({ ...group, deploymentGroupName: 'a b' }),
  ],
  ['RoleRequiredException', () => new CreateDeploymentGroupCommand({ ...group, serviceRoleArn: odd(undefined) })],
  ['InvalidInputException', () => update({ outdatedInstancesStrategy: odd('X') })],
  [
    'InvalidAutoRollbackConfigException',
    () => update({ autoRollbackConfiguration: { enabled: true, events: odd(['X']) } }),
  ],
  ['InvalidEC2TagException', () => update({ ec2TagFilters: [{ Key: 'a', Type: odd('X') }] })],
  ['InvalidDeploymentStyleException', () => update({ deploymentStyle: { deploymentType: odd('X') } })],
  ['DescriptionTooLongException', () => deployment({ description: 'x'.repeat(257) })],
  ['InvalidFileExistsBehaviorException', () => deployment({ fileExistsBehavior: odd('X') })],
  ['InvalidRevisionException', () => deployment({ revision: { revisionType: odd('X') } })],
  [
    'DescriptionTooLongException',
    () =>
      new RegisterApplicationRevisionCommand({
        ...application,
        revision: location('b.zip'),
        description: 'x'.repeat(257),
      }),
  ],
  ['InvalidDeploymentConfigNameException', () => new GetDeploymentConfigCommand({ deploymentConfigName: 'a b' })],
  ['InvalidMinimumHealthyHostValueException', () => config({ type: 'FLEET_PERCENT', value: 100 })],
  ['InvalidMinimumHealthyHostValueException', () => config({ type: odd('X'), value: 1 })],
  ['InvalidMinimumHealthyHostValueException', () => config(undefined)],
  ['InvalidSortByException', () => revisions({ sortBy: odd('X') })],
  ['InvalidDeployedStateFilterException', () => revisions({ deployed: odd('X') })],
  ['BucketNameFilterRequiredException', () => revisions({ s3KeyPrefix: 'x' })],
  ['InvalidBucketNameFilterException', () => revisions({ s3Bucket: '' })],
  ['InvalidDeploymentStatusException', () => new ListDeploymentsCommand({ includeOnlyStatuses: [odd('X')] })],
  [
    'InvalidTimeRangeException',
    () => new ListDeploymentsCommand({ createTimeRange: { start: new Date(2), end: new Date(1) } }),
  ],
  [
    'InvalidInstanceStatusException',
    () => new ListDeploymentInstancesCommand({ deploymentId, instanceStatusFilter: [odd('X')] }),
  ],
  [
    'InvalidInstanceTypeException',
    () => new ListDeploymentInstancesCommand({ deploymentId, instanceTypeFilter: [odd('X')] }),
  ],
  [
    'InvalidDeploymentInstanceTypeException',
    () => new ListDeploymentInstancesCommand({ deploymentId, instanceTypeFilter: ['Blue'] }),
  ],
  ['InvalidTargetFilterNameException', () => targets(odd({ Other: ['X'] }))],
  ['InvalidInstanceStatusException', () => targets({ TargetStatus: ['X'] })],
  ['InvalidInstanceTypeException', () => targets({ ServerInstanceLabel: ['X'] })],
  ['InvalidDeploymentInstanceTypeException', () => targets({ ServerInstanceLabel: ['Blue'] })],
  ['DeploymentTargetIdRequiredException', () => new BatchGetDeploymentTargetsCommand({ deploymentId, targetIds: [] })],
  [
    'DeploymentTargetIdRequiredException',
    () => new GetDeploymentTargetCommand({ deploymentId, targetId: odd(undefined) }),
  ],
  [
    'DeploymentTargetDoesNotExistException',
    () => new BatchGetDeploymentTargetsCommand({ deploymentId, targetIds: ['i-1'] }),
  ],
  ['InstanceIdRequiredException', () => new BatchGetDeploymentInstancesCommand({ deploymentId, instanceIds: [] })],
  ['DeploymentIdRequiredException', () => new BatchGetDeploymentsCommand({ deploymentIds: [] })],
  ['InvalidDeploymentIdException', () => new BatchGetDeploymentsCommand({ deploymentIds: ['none'] })],
  ['ApplicationNameRequiredException', () => new BatchGetApplicationsCommand({ applicationNames: [] })],
])('%s %#', async (name, command) => {
  await expect(codedeploy.send(command() as CreateApplicationCommand)).rejects.toMatchObject({ name })
})

const arn = () => `arn:aws:codedeploy:us-east-1:${drydock.account}:application:app`
const tagged = (tags: { Key?: string; Value: string }[]) =>
  new CreateApplicationCommand({ applicationName: 'tagged', tags })
const update = (more: object) =>
  new UpdateDeploymentGroupCommand({ ...application, currentDeploymentGroupName: 'group', ...more })
const deployment = (more: object) => new CreateDeploymentCommand({ ...group, revision: location('a.zip'), ...more })
const config = (minimumHealthyHosts: { type: 'FLEET_PERCENT'; value: number } | undefined) =>
  new CreateDeploymentConfigCommand({ deploymentConfigName: 'odd', minimumHealthyHosts })
const revisions = (more: object) => new ListApplicationRevisionsCommand({ ...application, ...more })
const targets = (targetFilters: Record<string, string[]>) =>
  new ListDeploymentTargetsCommand({ deploymentId, targetFilters })

describe('what a batch does not find it names, and gives the rest', () => {
  test('groups', async () => {
    const found = await codedeploy.send(
      new BatchGetDeploymentGroupsCommand({ ...application, deploymentGroupNames: ['group', 'none'] }),
    )
    expect(found.deploymentGroupsInfo).toMatchObject([{ deploymentGroupName: 'group' }])
    expect(found.errorMessage).toContain('none')
  })

  test('revisions', async () => {
    const found = await codedeploy.send(
      new BatchGetApplicationRevisionsCommand({ ...application, revisions: [location('a.zip'), location('none.zip')] }),
    )
    expect(found.revisions).toMatchObject([{ revisionLocation: location('a.zip') }])
    expect(found.errorMessage).toContain('bundles/none.zip')
  })
})

test('a revision is that of the groups whose last deployment had it', async () => {
  const named = { applicationName: 'moving' }
  const moving = { ...named, deploymentGroupName: 'group' }
  await codedeploy.send(new CreateApplicationCommand(named))
  await codedeploy.send(new CreateDeploymentGroupCommand({ ...moving, serviceRoleArn }))
  for (const key of ['old.zip', 'new.zip']) {
    await codedeploy.send(new CreateDeploymentCommand({ ...moving, revision: location(key) }))
    await drydock.settled()
  }
  const groupsOf = async (key: string) =>
    (await codedeploy.send(new GetApplicationRevisionCommand({ ...named, revision: location(key) }))).revisionInfo
      ?.deploymentGroups
  expect(await groupsOf('old.zip')).toEqual([])
  expect(await groupsOf('new.zip')).toEqual(['group'])
  const list = async (deployed: 'exclude' | 'ignore' | 'include') =>
    (await codedeploy.send(new ListApplicationRevisionsCommand({ ...named, deployed, sortBy: 'registerTime' })))
      .revisions
  expect(await list('include')).toEqual([location('new.zip')])
  expect(await list('exclude')).toEqual([location('old.zip')])
  expect(await list('ignore')).toHaveLength(2)
})
