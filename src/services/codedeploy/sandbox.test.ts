import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CodeDeployClient,
  CreateApplicationCommand,
  CreateDeploymentCommand,
  CreateDeploymentGroupCommand,
  type DeploymentInfo,
  GetDeploymentCommand,
  GetDeploymentTargetCommand,
} from '@aws-sdk/client-codedeploy'
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
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

describe.skipIf(!able)('in the sandbox', { timeout: 60_000 }, () => {
  let drydock: Story
  let address = ''
  let instance = ''
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
    const serviceRoleArn = await drydock.role('deployer', 'codedeploy.amazonaws.com', [allow('ec2:DescribeInstances')])
    const { GroupId = '' } = await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'web' }))
    const port = { IpProtocol: 'tcp', FromPort: 8080, ToPort: 8080, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }
    await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [port] }))
    const { Images } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        ImageId: Images?.[0]?.ImageId,
        MinCount: 1,
        MaxCount: 1,
        SecurityGroupIds: [GroupId],
        IamInstanceProfile: { Name: 'machine' },
        TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Application', Value: 'app' }] }],
      }),
    )
    instance = Instances?.[0]?.InstanceId ?? ''
    address = await eventually(async () => {
      const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [instance] }))
      const found = Reservations?.[0]?.Instances?.[0]
      return found?.State?.Name === 'running' ? found.PublicIpAddress : undefined
    })
    await drydock.client(S3Client).send(new CreateBucketCommand({ Bucket: 'bundles' }))
    await codedeploy.send(new CreateApplicationCommand({ applicationName: 'app' }))
    await codedeploy.send(
      new CreateDeploymentGroupCommand({
        applicationName: 'app',
        deploymentGroupName: 'group',
        serviceRoleArn,
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
  const deploy = async (key: string, body: Buffer): Promise<DeploymentInfo> => {
    await drydock.client(S3Client).send(new PutObjectCommand({ Bucket: 'bundles', Key: key, Body: body }))
    const { deploymentId } = await drydock.client(CodeDeployClient).send(
      new CreateDeploymentCommand({
        applicationName: 'app',
        deploymentGroupName: 'group',
        revision: { revisionType: 'S3', s3Location: { bucket: 'bundles', key, bundleType: 'zip' } },
      }),
    )
    return ended(deploymentId)
  }
  const answer = () => eventually(async () => (await fetch(`http://${address}:8080/`)).text())

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
})
