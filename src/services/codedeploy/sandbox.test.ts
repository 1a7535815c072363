import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AddTagsToOnPremisesInstancesCommand,
  CodeDeployClient,
  CreateApplicationCommand,
  CreateDeploymentCommand,
  type CreateDeploymentCommandInput,
  CreateDeploymentGroupCommand,
  type DeploymentInfo,
  GetDeploymentCommand,
  GetDeploymentTargetCommand,
  RegisterOnPremisesInstanceCommand,
  UpdateDeploymentGroupCommand,
} from '@aws-sdk/client-codedeploy'
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  type RunInstancesCommandInput,
} from '@aws-sdk/client-ec2'
import { AddRoleToInstanceProfileCommand, CreateInstanceProfileCommand, IAMClient } from '@aws-sdk/client-iam'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { sandboxDriver } from '../../compute/sandbox.ts'
import { systemClock } from '../../work/clock.ts'
import { bundle } from './fleet-bench.ts'

// A deployment as a user has it: a machine in Linux namespaces, its agent started by its init, an application that answers.

const probed = await mkdtemp(join(tmpdir(), 'drydock-probe-'))
const { machines, addresses, notes } = await sandboxDriver({ folder: probed, endpoint: () => '' }).probe()
const able = machines && addresses
if (!able) console.log(`Skipped: deployments to machines in the sandbox. ${notes.join(' ')}`)
afterAll(() => rm(probed, { recursive: true, force: true }))

const revision = (version: string, check: string) =>
  bundle({
    'appspec.yml': `version: 0.0
os: linux
files:
  - source: server.js
    destination: /srv/app
permissions:
  - object: /srv/app/server.js
    owner: nobody
    mode: 640
hooks:
  ApplicationStop:
    - location: stop.sh
      runas: root
  ApplicationStart:
    - location: start.sh
      runas: root
      timeout: 20
  ValidateService:
    - location: check.sh
`,
    'server.js': `require('http').createServer((q, r) => r.end('${version}')).listen(8080)`,
    'stop.sh': '#!/bin/sh\nkill $(cat /run/app.pid) && rm /run/app.pid',
    'start.sh':
      '#!/bin/sh\nsetsid /opt/drydock/node/node /srv/app/server.js >/var/log/app.log 2>&1 </dev/null &\necho $! >/run/app.pid',
    'check.sh': `#!/bin/sh\nstat -c '%U %a' /srv/app/server.js\n${check}`,
  })

const hooks = [
  ...['ApplicationStop', 'BeforeInstall', 'AfterInstall', 'ApplicationStart', 'ValidateService'],
  ...['BeforeAllowTraffic', 'AfterAllowTraffic', 'BeforeBlockTraffic', 'AfterBlockTraffic'],
]
/** A revision that notes its events, each with its own version, and answers with what is noted. */
const noting = (version: string) =>
  bundle({
    'appspec.yml': `version: 0.0
os: linux
files:
  - source: server.js
    destination: /srv/app
hooks:
${hooks.map((event) => `  ${event}:\n    - location: ${event === 'ApplicationStart' ? 'start.sh' : 'note.sh'}\n`).join('')}`,
    'server.js':
      "require('http').createServer((q, r) => r.end(require('fs').readFileSync('/var/log/events'))).listen(8080)",
    'note.sh': `#!/bin/sh\necho "${version} $LIFECYCLE_EVENT" >>/var/log/events`,
    'start.sh': `#!/bin/sh
[ ! -e /run/app.pid ] || kill $(cat /run/app.pid)
echo "${version} $LIFECYCLE_EVENT" >>/var/log/events
setsid /opt/drydock/node/node /srv/app/server.js >/var/log/app.log 2>&1 </dev/null &
echo $! >/run/app.pid`,
  })

describe.skipIf(!able)('in the sandbox', { timeout: 60_000 }, () => {
  let drydock: Story
  let address = ''
  let instance = ''
  let securityGroup = ''
  let serviceRole = ''
  const launch = async (Value: string, more: Partial<RunInstancesCommandInput>) => {
    const ec2 = drydock.client(EC2Client)
    const { Images } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        ImageId: Images?.[0]?.ImageId,
        MinCount: 1,
        MaxCount: 1,
        SecurityGroupIds: [securityGroup],
        TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Application', Value }] }],
        ...more,
      }),
    )
    const id = Instances?.[0]?.InstanceId ?? ''
    const reached = await eventually(async () => {
      const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
      const found = Reservations?.[0]?.Instances?.[0]
      return found?.State?.Name === 'running' ? found.PublicIpAddress : undefined
    })
    return { instance: id, address: reached }
  }
  beforeAll(async () => {
    drydock = await story({
      durable: true,
      clock: systemClock(),
      driver: (parts) => sandboxDriver({ folder: parts.folder, endpoint: parts.endpoint, door: parts.door }),
    })
    const [iam, ec2, codedeploy] = [
      drydock.client(IAMClient),
      drydock.client(EC2Client),
      drydock.client(CodeDeployClient),
    ]
    await drydock.role('machine', 'ec2.amazonaws.com', [allow('s3:GetObject', 'arn:aws:s3:::bundles/*')])
    await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'machine' }))
    await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'machine', RoleName: 'machine' }))
    serviceRole = await drydock.role('deployer', 'codedeploy.amazonaws.com', [allow('ec2:DescribeInstances')])
    const group = await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'web' }))
    securityGroup = group.GroupId ?? ''
    const port = { IpProtocol: 'tcp', FromPort: 8080, ToPort: 8080, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }
    await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: securityGroup, IpPermissions: [port] }))
    ;({ instance, address } = await launch('app', { IamInstanceProfile: { Name: 'machine' } }))
    await drydock.client(S3Client).send(new CreateBucketCommand({ Bucket: 'bundles' }))
    await codedeploy.send(new CreateApplicationCommand({ applicationName: 'app' }))
    await codedeploy.send(
      new CreateDeploymentGroupCommand({
        applicationName: 'app',
        deploymentGroupName: 'group',
        serviceRoleArn: serviceRole,
        ec2TagFilters: [{ Key: 'Application', Value: 'app', Type: 'KEY_AND_VALUE' }],
        autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
      }),
    )
  }, 60_000)
  afterAll(async () => {
    await drydock.server.kernel.compute.removeAll()
    await drydock.close()
  })

  const eventually = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
    for (const end = Date.now() + 30_000; Date.now() < end; ) {
      const found = await look().catch(() => undefined)
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error('never came')
  }
  const ended = (deploymentId = ''): Promise<DeploymentInfo> =>
    eventually(async () => {
      const { deploymentInfo } = await drydock.client(CodeDeployClient).send(new GetDeploymentCommand({ deploymentId }))
      return deploymentInfo?.completeTime ? deploymentInfo : undefined
    })
  const deploy = async (
    key: string,
    body: Buffer,
    more: Partial<CreateDeploymentCommandInput> = {},
  ): Promise<DeploymentInfo> => {
    await drydock.client(S3Client).send(new PutObjectCommand({ Bucket: 'bundles', Key: key, Body: body }))
    const { deploymentId } = await drydock.client(CodeDeployClient).send(
      new CreateDeploymentCommand({
        applicationName: 'app',
        deploymentGroupName: 'group',
        revision: { revisionType: 'S3', s3Location: { bucket: 'bundles', key, bundleType: 'zip' } },
        ...more,
      }),
    )
    return ended(deploymentId)
  }
  const answer = (from = address) => eventually(async () => (await fetch(`http://${from}:8080/`)).text())

  it('an application is deployed, answers, and is back after a revision that fails', async () => {
    expect(await deploy('one.zip', await revision('one', 'exit 0'))).toMatchObject({ status: 'Succeeded' })
    expect(await answer()).toBe('one')
    const bad = await deploy('two.zip', await revision('two', 'exit 3'))
    expect(bad).toMatchObject({ status: 'Failed', errorInformation: { code: 'HEALTH_CONSTRAINTS' } })
    const { deploymentTarget } = await drydock
      .client(CodeDeployClient)
      .send(new GetDeploymentTargetCommand({ deploymentId: bad.deploymentId, targetId: instance }))
    const failed = deploymentTarget?.instanceTarget?.lifecycleEvents?.find(({ status }) => status === 'Failed')
    expect(failed).toMatchObject({
      lifecycleEventName: 'ValidateService',
      diagnostics: { errorCode: 'ScriptFailed', logTail: expect.stringContaining('[stdout]nobody 640\n') },
    })
    expect(await ended(bad.rollbackInfo?.rollbackDeploymentId)).toMatchObject({ status: 'Succeeded' })
    expect(await answer()).toBe('one')
  })

  const filter = (Value: string) => [{ Key: 'Application', Value, Type: 'KEY_AND_VALUE' as const }]
  const AllAtOnce = 'CodeDeployDefault.AllAtOnce'

  it('replacements take over from originals, each with its hooks in their order', async () => {
    const codedeploy = drydock.client(CodeDeployClient)
    const profile = { IamInstanceProfile: { Name: 'machine' } }
    const [blue, green] = [await launch('blue', profile), await launch('green', profile)]
    const swap = { applicationName: 'app', deploymentConfigName: AllAtOnce, serviceRoleArn: serviceRole }
    await codedeploy.send(
      new CreateDeploymentGroupCommand({ ...swap, deploymentGroupName: 'swap', ec2TagFilters: filter('blue') }),
    )
    const deploymentGroupName = 'swap'
    expect(await deploy('old.zip', await noting('old'), { deploymentGroupName })).toMatchObject({ status: 'Succeeded' })
    await codedeploy.send(
      new UpdateDeploymentGroupCommand({
        applicationName: 'app',
        currentDeploymentGroupName: 'swap',
        deploymentStyle: { deploymentType: 'BLUE_GREEN', deploymentOption: 'WITHOUT_TRAFFIC_CONTROL' },
        blueGreenDeploymentConfiguration: { greenFleetProvisioningOption: { action: 'DISCOVER_EXISTING' } },
      }),
    )
    const targetInstances = { tagFilters: filter('green') }
    const done = await deploy('new.zip', await noting('new'), { deploymentGroupName, targetInstances })
    expect(done).toMatchObject({ status: 'Succeeded', deploymentStyle: { deploymentType: 'BLUE_GREEN' } })
    const lines = async (of: typeof blue) => (await answer(of.address)).trim().split('\n')
    const installed = ['BeforeInstall', 'AfterInstall', 'ApplicationStart', 'ValidateService']
    const led = ['BeforeAllowTraffic', 'AfterAllowTraffic']
    expect(await lines(green)).toEqual([...installed, ...led].map((event) => `new ${event}`))
    const away = ['BeforeBlockTraffic', 'AfterBlockTraffic']
    expect(await lines(blue)).toEqual([...installed, ...away].map((event) => `old ${event}`))
  })

  it('a machine that is registered as on-premises takes a revision under its own user', async () => {
    const codedeploy = drydock.client(CodeDeployClient)
    const keys = await drydock.user('rack', [allow('s3:GetObject*', 'arn:aws:s3:::bundles/*')])
    const iamUserArn = `arn:aws:iam::${drydock.account}:user/rack`
    await codedeploy.send(new RegisterOnPremisesInstanceCommand({ instanceName: 'rack', iamUserArn }))
    const tags = [{ Key: 'Application', Value: 'rack' }]
    await codedeploy.send(new AddTagsToOnPremisesInstancesCommand({ instanceNames: ['rack'], tags }))
    const script = `#!/bin/sh
mkdir -p /etc/codedeploy-agent/conf
cat >/etc/codedeploy-agent/conf/codedeploy.onpremises.yml <<END
region: ${drydock.region}
iam_user_arn: ${iamUserArn}
aws_access_key_id: ${keys.accessKeyId}
aws_secret_access_key: ${keys.secretAccessKey}
END
for program in /proc/[0-9]*; do
  if tr '\\0' ' ' <$program/cmdline | grep -q 'agent/main'; then kill \${program#/proc/}; fi
done
`
    const rack = await launch('none', { UserData: Buffer.from(script).toString('base64') })
    await codedeploy.send(
      new CreateDeploymentGroupCommand({
        applicationName: 'app',
        deploymentGroupName: 'racks',
        deploymentConfigName: AllAtOnce,
        serviceRoleArn: serviceRole,
        onPremisesInstanceTagFilters: filter('rack'),
      }),
    )
    const deploymentGroupName = 'racks'
    expect(await deploy('rack.zip', await noting('rack'), { deploymentGroupName })).toMatchObject({
      status: 'Succeeded',
    })
    expect(await answer(rack.address)).toContain('rack ValidateService')
  })
})
