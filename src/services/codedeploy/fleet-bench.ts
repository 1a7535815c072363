import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  AddTagsToOnPremisesInstancesCommand,
  BatchGetDeploymentTargetsCommand,
  CodeDeployClient,
  CreateApplicationCommand,
  CreateDeploymentCommand,
  type CreateDeploymentCommandInput,
  CreateDeploymentGroupCommand,
  type CreateDeploymentGroupCommandInput,
  type DeploymentInfo,
  GetDeploymentCommand,
  ListDeploymentTargetsCommand,
  RegisterOnPremisesInstanceCommand,
} from '@aws-sdk/client-codedeploy'
import { DescribeImagesCommand, EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { AddRoleToInstanceProfileCommand, CreateInstanceProfileCommand, IAMClient } from '@aws-sdk/client-iam'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { ZipFile } from 'yazl'
import { allow, type Story, type StoryOptions, story } from '../../../test/story.ts'
import type { Door } from '../../compute/driver.ts'
import { type Behaviour, fakeCompute, fakeState } from '../../compute/fake.ts'
import { systemClock } from '../../work/clock.ts'
import { findHost, type Host } from './agent/host.ts'

// Machines for stories about deployments: the fake driver's machines, each running the real agent as a process of the
// host, on a folder as its file system, behind the doors that a machine has.

const agentProgram = fileURLToPath(new URL('agent/main.ts', import.meta.url))

/** The doors of every machine on one loopback port: `/TASK/metadata/…` and `/TASK/endpoint/…`. */
const doors = async (door: () => Door): Promise<{ server: Server; base: string }> => {
  const server = createServer((request, response) => {
    const [, task = '', name, ...rest] = (request.url ?? '').split('/')
    request.url = `/${rest.join('/')}`
    door()(request, response, { door: name === 'metadata' ? 'metadata' : 'endpoint', task, address: '172.31.0.4' })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return { server, base: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

export type Files = Readonly<Record<string, string>>

/** A zip archive; names that end in `.sh` are executable. */
export const bundle = (files: Files): Promise<Buffer> => {
  const zip = new ZipFile()
  for (const [name, content] of Object.entries(files))
    zip.addBuffer(Buffer.from(content), name, { mode: name.endsWith('.sh') ? 0o100755 : 0o100644 })
  zip.end()
  return new Response(zip.outputStream as never).arrayBuffer().then((bytes) => Buffer.from(bytes))
}

const rm = (folder: string) => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })

export type Fleet = Awaited<ReturnType<typeof fleet>>

/** A story with a bucket `bundles`, an application `app`, and instances that run the agent; `builds`: what builds do. */
export const fleet = async ({ builds = () => 0, ...options }: StoryOptions & { builds?: Behaviour } = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-fleet-'))
  const world = fakeState()
  const agents = new Map<string, ChildProcess>()
  let door: Door = () => {}
  const { server, base } = await doors(() => door)
  const rootOf = (instanceId: string) => join(folder, instanceId)

  /** Runs an agent on a machine's folder: on premises when told where the server is, or else behind the instance's doors. */
  const startAgent = (instanceId: string, endpoint?: string) => {
    const task = `ec2-${instanceId}`
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', agentProgram, rootOf(instanceId)], {
      env: {
        PATH: process.env.PATH,
        ROOT: rootOf(instanceId),
        ...(process.env.GITHUB_API_URL ? { GITHUB_API_URL: process.env.GITHUB_API_URL } : {}),
        AWS_ENDPOINT_URL: endpoint ?? `${base}/${task}/endpoint`,
        AWS_EC2_METADATA_SERVICE_ENDPOINT: `${base}/${task}/metadata`,
      },
      stdio: process.env.DRYDOCK_STORY_LOG ? 'inherit' : 'ignore',
    })
    agents.set(instanceId, child)
    return child
  }
  /** Ends an agent as `kill -9` does, and waits until it is gone. */
  const killAgent = async (instanceId: string): Promise<void> => {
    const child = agents.get(instanceId)
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  let agentless = false
  let drydock: Story = await story({
    clock: systemClock(),
    driver: (parts) => {
      door = parts.door
      const compute = fakeCompute(systemClock(), world, parts.endpoint).on('build-', builds)
      return compute.on('ec2-', async ({ id }, { stopping }) => {
        const instanceId = id.slice('ec2-'.length)
        mkdirSync(rootOf(instanceId), { recursive: true })
        if (!agentless) startAgent(instanceId)
        await new Promise((stopped) => stopping.addEventListener('abort', stopped))
        await killAgent(instanceId)
        return 0
      })
    },
    ...options,
  })
  const machineRole = await drydock.role('machine', 'ec2.amazonaws.com', [
    allow(['s3:GetObject', 's3:GetObjectVersion'], 'arn:aws:s3:::bundles/*'),
  ])
  const iam = drydock.client(IAMClient)
  await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'machine' }))
  await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'machine', RoleName: 'machine' }))
  const serviceRole = await drydock.role('deployer', 'codedeploy.amazonaws.com', [
    allow(['ec2:DescribeInstances', 'ec2:TerminateInstances']),
  ])
  await drydock.client(S3Client).send(new CreateBucketCommand({ Bucket: 'bundles' }))
  await drydock.client(CodeDeployClient).send(new CreateApplicationCommand({ applicationName: 'app' }))

  const register = async (name: string, identity: { iamUserArn: string } | { iamSessionArn: string }) => {
    const client = drydock.client(CodeDeployClient)
    await client.send(new RegisterOnPremisesInstanceCommand({ instanceName: name, ...identity }))
    const tags = [{ Key: 'Application', Value: 'app' }]
    await client.send(new AddTagsToOnPremisesInstancesCommand({ instanceNames: [name], tags }))
  }
  /** Writes the configuration file that `aws deploy install` would write. */
  const configure = (name: string, settings: Readonly<Record<string, string>>) => {
    const conf = join(rootOf(name), 'etc/codedeploy-agent/conf')
    mkdirSync(conf, { recursive: true })
    const lines = Object.entries(settings).map(([key, value]) => `${key}: ${value}\n`)
    writeFileSync(join(conf, 'codedeploy.onpremises.yml'), `---\n${lines.join('')}`)
  }

  const it = {
    get story() {
      return drydock
    },
    get codedeploy() {
      return drydock.client(CodeDeployClient)
    },
    machineRole,
    serviceRole,
    rootOf,
    /** The metadata service and the endpoint as an instance sees them. */
    doorsOf: (instanceId: string) => ({
      metadata: `${base}/ec2-${instanceId}/metadata`,
      endpoint: `${base}/ec2-${instanceId}/endpoint`,
    }),
    startAgent,
    killAgent,
    agentOf: (instanceId: string) => agents.get(instanceId),
    read: (instanceId: string, path: string) => readFile(join(rootOf(instanceId), path), 'utf8'),
    /** Makes a file that the scripts of all machines see as `$ROOT/../NAME`. */
    touch: async (name: string) => writeFileSync(join(folder, name), ''),
    /** Registers an on-premises machine by an IAM user of its own, with the tag `Application=app`, and runs its agent. */
    onPremises: async (name: string, { agent = true } = {}): Promise<void> => {
      const keys = await drydock.user(name, [allow('s3:GetObject*', 'arn:aws:s3:::bundles/*')])
      const iamUserArn = `arn:aws:iam::${drydock.account}:user/${name}`
      await register(name, { iamUserArn })
      configure(name, {
        region: drydock.region,
        iam_user_arn: iamUserArn,
        aws_access_key_id: keys.accessKeyId,
        aws_secret_access_key: keys.secretAccessKey,
      })
      if (agent) startAgent(name, drydock.endpoint)
    },
    /** What an on-premises machine's agent knows of itself. */
    hostOf: async (name: string): Promise<Host> => ({ ...(await findHost(rootOf(name))), endpoint: drydock.endpoint }),
    /** The same by a role's session, whose keys lie in a credentials file. */
    onPremisesSession: async (name: string): Promise<void> => {
      const user = await drydock.user(`${name}-operator`, [allow('sts:AssumeRole')])
      const trust = { AWS: `arn:aws:iam::${drydock.account}:user/${name}-operator` }
      const RoleArn = await drydock.role(
        `${name}-role`,
        { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: trust, Action: 'sts:AssumeRole' }] },
        [allow('s3:GetObject*', 'arn:aws:s3:::bundles/*')],
      )
      const { Credentials, AssumedRoleUser } = await drydock
        .client(STSClient, user)
        .send(new AssumeRoleCommand({ RoleArn, RoleSessionName: name }))
      const iamSessionArn = AssumedRoleUser?.Arn ?? ''
      await register(name, { iamSessionArn })
      const file = join(rootOf(name), 'credentials')
      configure(name, { region: drydock.region, iam_session_arn: iamSessionArn, aws_credentials_file: file })
      writeFileSync(
        file,
        `[other]\naws_access_key_id = no\n[default]\naws_access_key_id = ${Credentials?.AccessKeyId}\naws_secret_access_key=${Credentials?.SecretAccessKey}\naws_session_token = ${Credentials?.SessionToken}\n`,
      )
      startAgent(name, drydock.endpoint)
    },
    /** Launches instances with the tag `Application`, `app` unless told. */
    launch: async (
      count = 1,
      more: { agent?: boolean; profile?: boolean; tag?: string; zone?: string } = {},
    ): Promise<string[]> => {
      agentless = more.agent === false
      const ec2 = drydock.client(EC2Client)
      const { Images } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))
      const { Instances = [] } = await ec2.send(
        new RunInstancesCommand({
          ImageId: Images?.[0]?.ImageId,
          MinCount: count,
          MaxCount: count,
          ...(more.profile === false ? {} : { IamInstanceProfile: { Name: 'machine' } }),
          TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Application', Value: more.tag ?? 'app' }] }],
          ...(more.zone ? { Placement: { AvailabilityZone: more.zone } } : {}),
        }),
      )
      await drydock.settled()
      return Instances.map(({ InstanceId }) => InstanceId ?? '').toSorted()
    },
    group: (more: Partial<CreateDeploymentGroupCommandInput> = {}) =>
      drydock.client(CodeDeployClient).send(
        new CreateDeploymentGroupCommand({
          applicationName: 'app',
          deploymentGroupName: 'group',
          serviceRoleArn: serviceRole,
          deploymentConfigName: 'CodeDeployDefault.AllAtOnce',
          ec2TagFilters: [{ Key: 'Application', Value: 'app', Type: 'KEY_AND_VALUE' }],
          ...more,
        }),
      ),
    put: async (key: string, files: Files | Buffer) => {
      const Body = Buffer.isBuffer(files) ? files : await bundle(files)
      return drydock.client(S3Client).send(new PutObjectCommand({ Bucket: 'bundles', Key: key, Body }))
    },
    start: async (key: string, more: Partial<CreateDeploymentCommandInput> = {}): Promise<string> => {
      const { deploymentId = '' } = await drydock.client(CodeDeployClient).send(
        new CreateDeploymentCommand({
          applicationName: 'app',
          deploymentGroupName: 'group',
          revision: { revisionType: 'S3', s3Location: { bucket: 'bundles', key, bundleType: 'zip' } },
          ...more,
        }),
      )
      return deploymentId
    },
    get: async (deploymentId: string): Promise<DeploymentInfo> => {
      const { deploymentInfo } = await drydock.client(CodeDeployClient).send(new GetDeploymentCommand({ deploymentId }))
      if (!deploymentInfo) throw new Error(`${deploymentId} is not there`)
      return deploymentInfo
    },
    /** The instances of a deployment, each with status and events as `Name Status` and what a failed event says. */
    targets: async (deploymentId: string) => {
      const client = drydock.client(CodeDeployClient)
      const { targetIds } = await client.send(new ListDeploymentTargetsCommand({ deploymentId }))
      if (!targetIds?.length) return []
      const { deploymentTargets = [] } = await client.send(
        new BatchGetDeploymentTargetsCommand({ deploymentId, targetIds }),
      )
      return deploymentTargets.map(({ instanceTarget }) => ({
        id: instanceTarget?.targetId ?? '',
        status: instanceTarget?.status,
        events: (instanceTarget?.lifecycleEvents ?? []).map(
          ({ lifecycleEventName, status }) => `${lifecycleEventName} ${status}`,
        ),
        diagnostics: instanceTarget?.lifecycleEvents?.find(({ status }) => status === 'Failed')?.diagnostics,
      }))
    },
    /** Looks until there is something; only for what happens in another process. */
    eventually: async <T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> => {
      for (const end = Date.now() + 30_000; Date.now() < end; ) {
        const found = await look().catch(() => undefined)
        if (found !== undefined && found !== false) return found
        await new Promise((resolve) => setTimeout(resolve, 15))
      }
      throw new Error(`never came: ${what}`)
    },
    ended: (deploymentId: string): Promise<DeploymentInfo> =>
      it.eventually(`the end of ${deploymentId}`, async () => {
        const info = await it.get(deploymentId)
        return info.completeTime && info
      }),
    deploy: async (key: string, more: Partial<CreateDeploymentCommandInput> = {}): Promise<DeploymentInfo> =>
      it.ended(await it.start(key, more)),
    restart: async () => {
      drydock = await drydock.restart()
    },
    close: async () => {
      for (const instanceId of agents.keys()) await killAgent(instanceId)
      await drydock.close()
      server.closeAllConnections()
      server.close()
      rm(folder)
    },
  }
  return it
}

/** An AppSpec file: `files` to `/srv/app`, one script per event that is named. */
export const appspec = (hooks: Readonly<Record<string, string>> = {}, more = ''): string =>
  [
    'version: 0.0',
    'os: linux',
    'files:',
    '  - source: /app',
    '    destination: /srv/app',
    more,
    ...(Object.keys(hooks).length > 0 ? ['hooks:'] : []),
    ...Object.entries(hooks).flatMap(([event, script]) => [
      `  ${event}:`,
      `    - location: ${script}`,
      '      timeout: 20',
    ]),
  ].join('\n')
