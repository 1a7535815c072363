import {
  BatchGetApplicationsCommand,
  BatchGetDeploymentsCommand,
  CodeDeployClient,
  CreateApplicationCommand,
  CreateDeploymentCommand,
  CreateDeploymentConfigCommand,
  CreateDeploymentGroupCommand,
  type CreateDeploymentGroupCommandInput,
  DeleteApplicationCommand,
  DeleteDeploymentConfigCommand,
  DeleteDeploymentGroupCommand,
  DeleteResourcesByExternalIdCommand,
  GetApplicationCommand,
  GetApplicationRevisionCommand,
  GetDeploymentCommand,
  GetDeploymentConfigCommand,
  GetDeploymentGroupCommand,
  GetDeploymentInstanceCommand,
  GetDeploymentTargetCommand,
  ListApplicationRevisionsCommand,
  ListApplicationsCommand,
  ListDeploymentConfigsCommand,
  ListDeploymentGroupsCommand,
  ListDeploymentsCommand,
  ListTagsForResourceCommand,
  PutLifecycleEventHookExecutionStatusCommand,
  RegisterApplicationRevisionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateApplicationCommand,
  UpdateDeploymentGroupCommand,
} from '@aws-sdk/client-codedeploy'
import { DeleteRoleCommand, DeleteRolePolicyCommand, IAMClient } from '@aws-sdk/client-iam'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

// The operations by themselves: what they keep, what they refuse, and who may call them.

let drydock: Story
let codedeploy: CodeDeployClient
let serviceRoleArn: string
beforeEach(async () => {
  drydock = await story()
  codedeploy = drydock.client(CodeDeployClient)
  serviceRoleArn = await drydock.role('deployer', 'codedeploy.amazonaws.com', [allow('ec2:DescribeInstances')])
  await codedeploy.send(new CreateApplicationCommand({ applicationName: 'app', tags: [{ Key: 'team', Value: 'web' }] }))
})
afterEach(() => drydock.close())

const group = (more: Partial<CreateDeploymentGroupCommandInput> = {}, client = codedeploy) =>
  client.send(
    new CreateDeploymentGroupCommand({ applicationName: 'app', deploymentGroupName: 'group', serviceRoleArn, ...more }),
  )
const location = (key: string) => ({
  revisionType: 'S3' as const,
  s3Location: { bucket: 'bundles', key, bundleType: 'zip' as const },
})
const deploy = (key?: string) =>
  codedeploy.send(
    new CreateDeploymentCommand({
      applicationName: 'app',
      deploymentGroupName: 'group',
      ...(key ? { revision: location(key) } : {}),
    }),
  )

test('applications: create, see, rename with all they have, delete', async () => {
  await group({ tags: [{ Key: 'stage', Value: 'prod' }] })
  await codedeploy.send(new RegisterApplicationRevisionCommand({ applicationName: 'app', revision: location('a.zip') }))
  const { deploymentId } = await deploy('a.zip')
  await drydock.settled()
  const { application } = await codedeploy.send(new GetApplicationCommand({ applicationName: 'app' }))
  expect(application).toMatchObject({ applicationName: 'app', computePlatform: 'Server', linkedToGitHub: false })
  await codedeploy.send(new UpdateApplicationCommand({ applicationName: 'app', newApplicationName: 'web' }))
  expect(await codedeploy.send(new ListApplicationsCommand({}))).toMatchObject({ applications: ['web'] })
  const arn = (resource: string) => `arn:aws:codedeploy:us-east-1:000000000000:${resource}`
  const tags = async (resource: string) =>
    (await codedeploy.send(new ListTagsForResourceCommand({ ResourceArn: arn(resource) }))).Tags
  expect(await tags('application:web')).toEqual([{ Key: 'team', Value: 'web' }])
  await codedeploy.send(
    new UpdateDeploymentGroupCommand({
      applicationName: 'web',
      currentDeploymentGroupName: 'group',
      newDeploymentGroupName: 'fleet',
    }),
  )
  expect(await tags('deploymentgroup:web/fleet')).toEqual([{ Key: 'stage', Value: 'prod' }])
  await codedeploy.send(
    new TagResourceCommand({ ResourceArn: arn('application:web'), Tags: [{ Key: 'a', Value: 'b' }] }),
  )
  await codedeploy.send(new UntagResourceCommand({ ResourceArn: arn('application:web'), TagKeys: ['team'] }))
  expect(await tags('application:web')).toEqual([{ Key: 'a', Value: 'b' }])
  expect(
    await codedeploy.send(new ListDeploymentsCommand({ applicationName: 'web', deploymentGroupName: 'fleet' })),
  ).toMatchObject({ deployments: [deploymentId] })
  const revisions = { applicationName: 'web' }
  expect((await codedeploy.send(new ListApplicationRevisionsCommand(revisions))).revisions).toEqual([location('a.zip')])
  expect(
    await codedeploy.send(new GetApplicationRevisionCommand({ applicationName: 'web', revision: location('a.zip') })),
  ).toMatchObject({ revisionInfo: { deploymentGroups: ['fleet'] } })
  await codedeploy.send(new DeleteApplicationCommand({ applicationName: 'web' }))
  await expect(codedeploy.send(new ListDeploymentGroupsCommand({ applicationName: 'web' }))).rejects.toMatchObject({
    name: 'ApplicationDoesNotExistException',
    message: 'No application found for name: web',
  })
  await codedeploy.send(new CreateApplicationCommand({ applicationName: 'web' }))
  expect((await codedeploy.send(new ListApplicationRevisionsCommand(revisions))).revisions).toEqual([])
})

test('deployment configs: three of AWS, others of one’s own', async () => {
  const config = async (deploymentConfigName: string) =>
    (await codedeploy.send(new GetDeploymentConfigCommand({ deploymentConfigName }))).deploymentConfigInfo
      ?.minimumHealthyHosts
  expect(await config('CodeDeployDefault.OneAtATime')).toEqual({ type: 'MOST_CONCURRENCY', value: 1 })
  expect(await config('CodeDeployDefault.HalfAtATime')).toEqual({ type: 'FLEET_PERCENT', value: 50 })
  const own = { deploymentConfigName: 'own', minimumHealthyHosts: { type: 'HOST_COUNT' as const, value: 2 } }
  await codedeploy.send(new CreateDeploymentConfigCommand(own))
  await expect(codedeploy.send(new CreateDeploymentConfigCommand(own))).rejects.toMatchObject({
    name: 'DeploymentConfigAlreadyExistsException',
  })
  await group({ deploymentConfigName: 'own' })
  const remove = () => codedeploy.send(new DeleteDeploymentConfigCommand({ deploymentConfigName: 'own' }))
  await expect(remove()).rejects.toMatchObject({ name: 'DeploymentConfigInUseException' })
  await codedeploy.send(new DeleteDeploymentGroupCommand({ applicationName: 'app', deploymentGroupName: 'group' }))
  await remove()
  expect((await codedeploy.send(new ListDeploymentConfigsCommand({}))).deploymentConfigsList).toHaveLength(3)
})

describe('refusals', () => {
  test.each([
    ['a name with a slash', { deploymentGroupName: 'a/b' }, 'InvalidDeploymentGroupNameException'],
    ['an application that is not there', { applicationName: 'none' }, 'ApplicationDoesNotExistException'],
    ['a config that is not there', { deploymentConfigName: 'none' }, 'DeploymentConfigDoesNotExistException'],
    ['a role that is none', { serviceRoleArn: 'deployer' }, 'InvalidRoleException'],
    ['a role that is not there', { serviceRoleArn: 'arn:aws:iam::000000000000:role/none' }, 'InvalidRoleException'],
    ['tags of AWS', { tags: [{ Key: 'aws:team', Value: 'web' }] }, 'InvalidTagsToAddException'],
    [
      'two ways to name tags',
      {
        ec2TagFilters: [{ Key: 'a', Type: 'KEY_ONLY' }],
        ec2TagSet: { ec2TagSetList: [[{ Key: 'a', Type: 'KEY_ONLY' }]] },
      },
      'InvalidEC2TagCombinationException',
    ],
    ['a filter without its value', { ec2TagFilters: [{ Key: 'a', Type: 'KEY_AND_VALUE' }] }, 'InvalidEC2TagException'],
    ['rollback on nothing', { autoRollbackConfiguration: { enabled: true } }, 'InvalidAutoRollbackConfigException'],
    [
      'an alarm that is there twice',
      { alarmConfiguration: { enabled: true, alarms: [{ name: 'errors' }, { name: 'errors' }] } },
      'InvalidAlarmConfigException',
    ],
    ['alarms without a name', { alarmConfiguration: { enabled: true, alarms: [] } }, 'InvalidAlarmConfigException'],
    [
      'blue/green without saying how',
      { deploymentStyle: { deploymentType: 'BLUE_GREEN' } },
      'InvalidBlueGreenDeploymentConfigurationException',
    ],
    ['a load balancer', { loadBalancerInfo: { elbInfoList: [{ name: 'lb' }] } }, 'InvalidLoadBalancerInfoException'],
    ['Auto Scaling', { autoScalingGroups: ['asg'] }, 'InvalidAutoScalingGroupException'],
    ['triggers', { triggerConfigurations: [{ triggerName: 't' }] }, 'InvalidTriggerConfigException'],
  ] as [string, Partial<CreateDeploymentGroupCommandInput>, string][])('of a group: %s', async (_what, more, name) => {
    await expect(group(more)).rejects.toMatchObject({ name })
    expect(
      (await codedeploy.send(new ListDeploymentGroupsCommand({ applicationName: 'app' }))).deploymentGroups,
    ).toEqual([])
  })

  test('of deployments', async () => {
    await expect(deploy('a.zip')).rejects.toMatchObject({
      name: 'DeploymentGroupDoesNotExistException',
      message: 'No Deployment Group found for name: group',
    })
    await group()
    await expect(deploy()).rejects.toMatchObject({ name: 'RevisionRequiredException' })
    const send = (more: object) =>
      codedeploy.send(
        new CreateDeploymentCommand({
          applicationName: 'app',
          deploymentGroupName: 'group',
          revision: location('a.zip'),
          ...more,
        }),
      )
    await expect(
      send({ revision: { revisionType: 'GitHub', gitHubLocation: { repository: 'a/b', commitId: 'c' } } }),
    ).rejects.toMatchObject({ name: 'InvalidRevisionException' })
    const commitId = 'c'.repeat(40)
    for (const repository of ['b', 'a/b/c', '../b', 'a/..'])
      await expect(
        send({ revision: { revisionType: 'GitHub', gitHubLocation: { repository, commitId } } }),
      ).rejects.toMatchObject({ name: 'InvalidRevisionException' })
    await expect(send({ revision: { revisionType: 'String', string: { content: 'x' } } })).rejects.toMatchObject({
      name: 'InvalidRevisionException',
    })
    for (const deploymentConfigName of ['none', 'constructor'])
      await expect(send({ deploymentConfigName })).rejects.toMatchObject({
        name: 'DeploymentConfigDoesNotExistException',
      })
    expect((await codedeploy.send(new ListDeploymentsCommand({}))).deployments).toEqual([])
    await expect(codedeploy.send(new ListDeploymentsCommand({ applicationName: 'app' }))).rejects.toMatchObject({
      name: 'DeploymentGroupNameRequiredException',
    })
    await expect(codedeploy.send(new GetDeploymentCommand({ deploymentId: 'd-1' }))).rejects.toMatchObject({
      name: 'InvalidDeploymentIdException',
    })
    await expect(codedeploy.send(new GetDeploymentCommand({ deploymentId: 'd-ABCDEFGHI' }))).rejects.toMatchObject({
      name: 'DeploymentDoesNotExistException',
      message: 'The deployment d-ABCDEFGHI could not be found',
    })
    await expect(
      codedeploy.send(new BatchGetDeploymentsCommand({ deploymentIds: Array(26).fill('d-ABCDEFGHI') })),
    ).rejects.toMatchObject({ name: 'BatchLimitExceededException' })
  })

  test('of applications, and of what is not there', async () => {
    const create = (applicationName: string, more = {}) =>
      codedeploy.send(new CreateApplicationCommand({ applicationName, ...more }))
    await expect(create('app')).rejects.toMatchObject({ name: 'ApplicationAlreadyExistsException' })
    await expect(create('a/b')).rejects.toMatchObject({ name: 'InvalidApplicationNameException' })
    await expect(create('f', { computePlatform: 'Lambda' })).rejects.toMatchObject({
      name: 'InvalidComputePlatformException',
    })
    await expect(
      codedeploy.send(new BatchGetApplicationsCommand({ applicationNames: ['app', 'none'] })),
    ).rejects.toMatchObject({
      name: 'ApplicationDoesNotExistException',
    })
  })
})

describe('why a deployment does not start', () => {
  const ended = async (key: string) => {
    const { deploymentId } = await deploy(key)
    await drydock.settled()
    return (await codedeploy.send(new GetDeploymentCommand({ deploymentId }))).deploymentInfo
  }

  test('no instances', async () => {
    await group({ ec2TagFilters: [{ Key: 'Application', Value: 'none', Type: 'KEY_AND_VALUE' }] })
    const info = await ended('a.zip')
    expect(info).toMatchObject({ status: 'Failed', errorInformation: { code: 'NO_INSTANCES' } })
    expect(info?.errorInformation?.message).toContain('no instances were found for your deployment group')
    const deploymentId = info?.deploymentId ?? ''
    await expect(
      codedeploy.send(new GetDeploymentTargetCommand({ deploymentId, targetId: 'i-1' })),
    ).rejects.toMatchObject({
      name: 'DeploymentTargetDoesNotExistException',
    })
    await expect(
      codedeploy.send(new GetDeploymentInstanceCommand({ deploymentId, instanceId: 'i-1' })),
    ).rejects.toMatchObject({ name: 'InstanceDoesNotExistException' })
    const { deploymentGroupInfo } = await codedeploy.send(
      new GetDeploymentGroupCommand({ applicationName: 'app', deploymentGroupName: 'group' }),
    )
    expect(deploymentGroupInfo).toMatchObject({
      lastAttemptedDeployment: { deploymentId, status: 'Failed' },
      targetRevision: location('a.zip'),
    })
    expect(deploymentGroupInfo?.lastSuccessfulDeployment).toBeUndefined()
  })

  test('a service role without rights, and one that is gone', async () => {
    await group()
    const iam = drydock.client(IAMClient)
    await iam.send(new DeleteRolePolicyCommand({ RoleName: 'deployer', PolicyName: 'policy-0' }))
    expect((await ended('a.zip'))?.errorInformation).toMatchObject({
      code: 'IAM_ROLE_PERMISSIONS',
      message: expect.stringContaining('is not authorized to perform: ec2:DescribeInstances'),
    })
    await iam.send(new DeleteRoleCommand({ RoleName: 'deployer' }))
    expect((await ended('a.zip'))?.errorInformation).toMatchObject({ code: 'IAM_ROLE_MISSING' })
  })
})

test('what is for Lambda and ECS says so', async () => {
  await group()
  const { deploymentId } = await deploy('a.zip')
  await expect(
    codedeploy.send(
      new PutLifecycleEventHookExecutionStatusCommand({
        deploymentId,
        lifecycleEventHookExecutionId: 'hook',
        status: 'Succeeded',
      }),
    ),
  ).rejects.toMatchObject({ name: 'UnsupportedActionForDeploymentTypeException' })
  await codedeploy.send(new DeleteResourcesByExternalIdCommand({ externalId: 'x' }))
  expect((await codedeploy.send(new ListDeploymentsCommand({}))).deployments).toEqual([deploymentId])
})

describe('authorization', () => {
  const arn = (resource: string) => `arn:aws:codedeploy:us-east-1:000000000000:${resource}`
  const as = async (name: string, ...policies: object[]) =>
    drydock.client(CodeDeployClient, await drydock.user(name, policies))

  test('a group needs iam:PassRole for its service role', async () => {
    const create = allow('codedeploy:CreateDeploymentGroup', arn('deploymentgroup:app/*'))
    await expect(group({}, await as('without', create))).rejects.toMatchObject({
      name: expect.stringContaining('AccessDenied'),
      message: expect.stringContaining(`is not authorized to perform: iam:PassRole on resource: ${serviceRoleArn}`),
    })
    await group({}, await as('with', create, allow('iam:PassRole', serviceRoleArn)))
  })

  test('rights are by application, group and config', async () => {
    await group()
    const client = await as(
      'narrow',
      allow('codedeploy:*', [arn('application:app'), arn('deploymentgroup:app/group')]),
      allow('codedeploy:GetDeploymentConfig', arn('deploymentconfig:CodeDeployDefault.OneAtATime')),
    )
    await client.send(new GetApplicationCommand({ applicationName: 'app' }))
    const mine = { applicationName: 'app', deploymentGroupName: 'group' }
    const { deploymentId } = await client.send(new CreateDeploymentCommand({ ...mine, revision: location('a.zip') }))
    await client.send(new GetDeploymentCommand({ deploymentId }))
    await expect(client.send(new CreateApplicationCommand({ applicationName: 'other' }))).rejects.toMatchObject({
      message: expect.stringContaining(`codedeploy:CreateApplication on resource: ${arn('application:other')}`),
    })
    await expect(
      client.send(new CreateDeploymentCommand({ ...mine, deploymentGroupName: 'other', revision: location('a.zip') })),
    ).rejects.toMatchObject({ message: expect.stringContaining(arn('deploymentgroup:app/other')) })
    await expect(
      client.send(new GetDeploymentConfigCommand({ deploymentConfigName: 'CodeDeployDefault.AllAtOnce' })),
    ).rejects.toMatchObject({ message: expect.stringContaining(arn('deploymentconfig:CodeDeployDefault.AllAtOnce')) })
  })

  test('who deploys reads the configuration, registers the revision, and changes the group’s alarms', async () => {
    await group({ deploymentConfigName: 'CodeDeployDefault.AllAtOnce' })
    const rights: object[] = []
    const wanted = [
      ['CreateDeployment', 'deploymentgroup:app/group'],
      ['GetDeploymentConfig', 'deploymentconfig:CodeDeployDefault.AllAtOnce'],
      ['RegisterApplicationRevision', 'application:app'],
      ['UpdateDeploymentGroup', 'deploymentgroup:app/group'],
    ] as const
    const send = async (name: string) =>
      (await as(name, ...rights)).send(
        new CreateDeploymentCommand({
          applicationName: 'app',
          deploymentGroupName: 'group',
          revision: location('a.zip'),
          overrideAlarmConfiguration: { enabled: false },
        }),
      )
    for (const [action, resource] of wanted) {
      await expect(send(`without-${action}`)).rejects.toMatchObject({
        message: expect.stringContaining(
          `not authorized to perform: codedeploy:${action} on resource: ${arn(resource)}`,
        ),
      })
      rights.push(allow(`codedeploy:${action}`, arn(resource)))
    }
    expect((await send('with-all')).deploymentId).toMatch(/^d-/)
  })

  test('host commands are for instances under their profile', async () => {
    const call = (operation: string) =>
      fetch(drydock.endpoint, {
        method: 'POST',
        headers: { 'x-amz-target': `CodeDeployCommandService_v20141006.${operation}` },
        body: '{}',
      })
    expect((await call('PollHostCommand')).status).toBe(403)
    expect(await (await call('toString')).json()).toMatchObject({ __type: 'UnknownOperationException' })
  })
})
