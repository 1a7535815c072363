import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { ListActionExecutionsCommand, ListDeployActionExecutionTargetsCommand } from '@aws-sdk/client-codepipeline'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fleet, managedCore, shellsOnHost } from '../../../../test/machine-fleet.ts'
import { refused, releaseStory, source } from '../../../../test/release-pipeline.ts'
import { allow } from '../../../../test/story.ts'

// Deployments to machines: the fake driver's, whose programs are real.

let release: Awaited<ReturnType<typeof releaseStory>>
let shells: ReturnType<typeof shellsOnHost>
beforeEach(async () => {
  release = await releaseStory()
  const keys = await release.bench.drydock.user('machine', [allow('s3:GetObject', 'arn:aws:s3:::artifacts/*')])
  shells = shellsOnHost(release.bench.drydock, keys)
  await release.bench.drydock.client(IAMClient).send(
    new PutRolePolicyCommand({
      RoleName: 'pipeline',
      PolicyName: 'machines',
      PolicyDocument: JSON.stringify(
        allow([
          ...['ec2:DescribeInstances', 'ssm:DescribeInstanceInformation', 'ssm:ListCommandInvocations'],
          ...['ssm:SendCommand', 'logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
        ]),
      ),
    }),
  )
})
afterEach(async () => {
  await release.bench.drydock.close()
  shells.remove()
})

const stages = (configuration: Record<string, string>) => [
  { name: 'Source', actions: [source()] },
  {
    name: 'Deploy',
    actions: [
      {
        name: 'Machines',
        actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'EC2', version: '1' } as const,
        configuration: { InstanceTagKey: 'Name', InstanceTagValue: 'web', InstanceType: 'EC2', ...configuration },
        inputArtifacts: [{ name: 'App' }],
      },
    ],
  },
]
const ended = async (id: string) => {
  for (let turns = 0; turns < 2000; turns++) {
    await release.bench.drydock.advance({ milliseconds: 500 })
    if ((await release.statusOf(id)) !== 'InProgress') return release.statusOf(id)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('the execution does not end')
}
const targetsOf = async (pipelineExecutionId: string) => {
  const { codepipeline } = release.bench
  const { actionExecutionDetails } = await codepipeline.send(
    new ListActionExecutionsCommand({ pipelineName: 'release', filter: { pipelineExecutionId } }),
  )
  const actionExecutionId = actionExecutionDetails?.find(
    ({ actionName }) => actionName === 'Machines',
  )?.actionExecutionId
  const { targets = [] } = await codepipeline.send(
    new ListDeployActionExecutionTargetsCommand({ pipelineName: 'release', actionExecutionId }),
  )
  return targets
}

it('brings the artifact to every machine with the tag, and runs the scripts before and after', async () => {
  const { drydock } = release.bench
  const ids = await fleet(drydock, 'web', 2, [managedCore])
  const folder = join(shells.root, 'app')
  await release.upload({
    'index.html': 'hello',
    'before.sh': `#!/bin/sh\n[ ! -e ${folder}/index.html ] || echo already there\necho before`,
    'after.sh': `#!/bin/sh\ncat index.html && echo " and after in $PWD by $0"`,
  })
  const id = await release.create({
    pipelineType: 'V2',
    stages: stages({ TargetDirectory: folder, PreScript: 'before.sh', PostScript: 'after.sh', MaxBatch: '1' }),
  })
  expect(await ended(id)).toBe('Succeeded')
  expect(readFileSync(join(folder, 'index.html'), 'utf8')).toBe('hello')
  const targets = await targetsOf(id)
  expect(targets.map(({ targetId, targetType, status }) => [targetId, targetType, status]).sort()).toEqual(
    ids.map((one) => [one, 'INSTANCE', 'Succeeded']).sort(),
  )
  expect(targets[0]?.events?.map(({ name, status }) => [name, status])).toEqual([
    ['BeforeDeploy', 'Succeeded'],
    ['Deploy', 'Succeeded'],
    ['AfterDeploy', 'Succeeded'],
  ])
  expect(targets[0]?.events?.[0]?.context?.ssmCommandId).toMatch(/^[0-9a-f-]{36}$/)
  const { events } = await drydock
    .client(CloudWatchLogsClient)
    .send(new FilterLogEventsCommand({ logGroupName: '/aws/codepipeline/release' }))
  expect(events?.map(({ message }) => message)).toContain(
    `[${ids[0]}] hello and after in ${folder} by ${folder}/after.sh`,
  )
}, 60_000)

it('fails where a script fails, and on a retry leaves alone whoever has the artifact', async () => {
  const ids = await fleet(release.bench.drydock, 'web', 2, [managedCore])
  const once = join(shells.root, 'once')
  await release.upload({ 'after.sh': `#!/bin/sh\necho trouble >&2\nmkdir ${once}` })
  const configuration = {
    TargetDirectory: join(shells.root, 'app'),
    PostScript: 'after.sh',
    MaxBatch: '1',
    MaxError: '1',
  }
  // The second machine finds the folder there already.
  const id = await release.create({ pipelineType: 'V2', stages: stages({ ...configuration, MaxError: '0' }) })
  expect(await ended(id)).toBe('Failed')
  expect((await release.action('Deploy', 'Machines'))?.errorDetails).toMatchObject({
    code: 'JobFailed',
    message: expect.stringMatching(/^Deployment failed on 1 of 2 instances\. i-\w+ AfterDeploy: /),
  })
  expect((await targetsOf(id)).map(({ status }) => status).sort()).toEqual(['Failed', 'Succeeded'])
  expect(existsSync(once)).toBe(true)
  await release.retry(id, 'Deploy')
  expect(await ended(id)).toBe('Failed')
  expect((await targetsOf(id)).map(({ status }) => status).sort()).toEqual(['Failed', 'Skipped'])
  expect(ids).toHaveLength(2)
}, 60_000)

it('goes by the deploy spec in the artifact, on machines that Systems Manager names', async () => {
  await fleet(release.bench.drydock, 'web', 1, [managedCore])
  const folder = join(shells.root, 'spec')
  await release.upload({
    'deployspec.yml': `version: 0.1\nfiles: [{source: site/index.html, destination: ${folder}}]\nscripts: {AfterDeploy: [{location: check.sh, timeout: 30}]}`,
    'site/index.html': 'by spec',
    'check.sh': `#!/bin/sh\ngrep spec ${folder}/index.html`,
  })
  const configuration = { DeploySpec: 'deployspec.yml', InstanceType: 'SSM_MANAGED_NODE' }
  const id = await release.create({ pipelineType: 'V2', stages: stages(configuration) })
  expect(await ended(id)).toBe('Succeeded')
  expect(readFileSync(join(folder, 'index.html'), 'utf8')).toBe('by spec')
  expect((await targetsOf(id))[0]?.events?.map(({ name }) => name)).toEqual(['Deploy', 'AfterDeploy'])
  await release.upload({ 'other.yml': '' })
  await release.start()
  expect((await release.action('Deploy', 'Machines'))?.errorDetails?.message).toBe(
    'The input artifact has no file deployspec.yml.',
  )
}, 60_000)

it('needs machines, their agent, and the rights to reach them', async () => {
  await release.upload({ 'deployspec.yml': 'version: 0.1\nfiles: [{source: /, destination: /nowhere}]' })
  const id = await release.create({ pipelineType: 'V2', stages: stages({ DeploySpec: 'deployspec.yml' }) })
  const why = async () => (await release.action('Deploy', 'Machines'))?.errorDetails?.message
  expect(await why()).toBe('No running instances have the tag Name=web.')
  await fleet(release.bench.drydock, 'web', 1, [])
  await release.retry(id, 'Deploy')
  expect(await ended(id)).toBe('Failed')
  expect(await why()).toMatch(/Deploy: The instance is not managed by Systems Manager/)
  await release.bench.drydock.client(IAMClient).send(
    new PutRolePolicyCommand({
      RoleName: 'pipeline',
      PolicyName: 'machines',
      PolicyDocument: JSON.stringify(allow('ec2:DescribeInstances')),
    }),
  )
  await release.retry(id, 'Deploy')
  expect(await why()).toMatch(/is not authorized to perform: logs:CreateLogGroup/)
}, 60_000)

it.each([
  ['neither a spec file nor a folder', {}, /required without DeploySpec/],
  ['load balancers', { DeploySpec: 'a', TargetGroupNameList: 'web' }, /TargetGroupNameList/],
  ['an odd batch', { DeploySpec: 'a', MaxBatch: 'some' }, /some is neither/],
  ['a type that is none', { DeploySpec: 'a', InstanceType: 'LAPTOP' }, /InstanceType LAPTOP/],
])('refuses %s', async (_what, configuration, message) => {
  await expect(
    release.create({ pipelineType: 'V2', stages: stages(configuration as Record<string, string>) }),
  ).rejects.toEqual(refused('InvalidActionDeclarationException', message))
})
