import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AddTagsToOnPremisesInstancesCommand,
  BatchGetDeploymentsCommand,
  CodeDeployServiceException,
  CreateApplicationCommand,
  CreateDeploymentCommand,
  CreateDeploymentGroupCommand,
  type DeploymentInfo,
  ListDeploymentsCommand,
  RegisterOnPremisesInstanceCommand,
} from '@aws-sdk/client-codedeploy'
import { CreateAccessKeyCommand, CreateUserCommand, PutUserPolicyCommand } from '@aws-sdk/client-iam'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { bundle } from '../../src/services/codedeploy/fleet-bench.ts'
import { eventually, roleFor } from './delivery.ts'
import { type Actor, certain, type World } from './world.ts'

const agent = join(import.meta.dirname, '..', '..', 'src', 'services', 'codedeploy', 'agent', 'main.ts')
const Bucket = 'crash-bundles'
const tag = { Key: 'Application', Value: 'app' }

/**
 * Deployments in place to two machines whose agents outlive the server: whatever it dies in, a deployment goes on and
 * succeeds, and both machines have the revision that was deployed last.
 */
export const deployments = (): Actor => {
  const started: string[] = []
  const agents: ChildProcess[] = []
  const roots: string[] = []

  const machine = async ({ aws, endpoint, folder }: World, name: string) => {
    const { User } = await aws.iam.send(new CreateUserCommand({ UserName: name }))
    const PolicyDocument = JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Action: 's3:GetObject*', Resource: `arn:aws:s3:::${Bucket}/*` },
    })
    await aws.iam.send(new PutUserPolicyCommand({ UserName: name, PolicyName: 'bundles', PolicyDocument }))
    const { AccessKey } = await aws.iam.send(new CreateAccessKeyCommand({ UserName: name }))
    await aws.codedeploy.send(new RegisterOnPremisesInstanceCommand({ instanceName: name, iamUserArn: User?.Arn }))
    await aws.codedeploy.send(new AddTagsToOnPremisesInstancesCommand({ instanceNames: [name], tags: [tag] }))
    const root = join(folder, name)
    const conf = join(root, 'etc', 'codedeploy-agent', 'conf')
    mkdirSync(conf, { recursive: true })
    const settings = {
      region: 'us-east-1',
      iam_user_arn: User?.Arn,
      aws_access_key_id: AccessKey?.AccessKeyId,
      aws_secret_access_key: AccessKey?.SecretAccessKey,
    }
    const lines = Object.entries(settings).map(([key, value]) => `${key}: ${value}\n`)
    writeFileSync(join(conf, 'codedeploy.onpremises.yml'), `---\n${lines.join('')}`)
    roots.push(root)
    const env = { PATH: process.env.PATH, ROOT: root, AWS_ENDPOINT_URL: endpoint }
    agents.push(
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', agent, root], { env, stdio: 'ignore' }),
    )
  }

  return {
    name: 'deployments',
    setUp: async (world) => {
      const { aws } = world
      await aws.s3.send(new CreateBucketCommand({ Bucket }))
      for (const version of ['one', 'two']) {
        const Body = await bundle({
          'appspec.yml':
            'version: 0.0\nos: linux\nfiles:\n  - source: /app\n    destination: /srv/app\nhooks:\n  ApplicationStart:\n    - location: start.sh\n      timeout: 60\n',
          'app/version': version,
          'start.sh': '#!/bin/sh\nsleep 0.2\n',
        })
        await aws.s3.send(new PutObjectCommand({ Bucket, Key: `${version}.zip`, Body }))
      }
      await aws.codedeploy.send(new CreateApplicationCommand({ applicationName: 'app' }))
      await aws.codedeploy.send(
        new CreateDeploymentGroupCommand({
          applicationName: 'app',
          deploymentGroupName: 'machines',
          deploymentConfigName: 'CodeDeployDefault.OneAtATime',
          serviceRoleArn: await roleFor(aws, 'crash-deploy', 'codedeploy.amazonaws.com'),
          onPremisesInstanceTagFilters: [{ ...tag, Type: 'KEY_AND_VALUE' }],
        }),
      )
      await machine(world, 'rack-1')
      await machine(world, 'rack-2')
    },
    act: async ({ aws, random }) => {
      if (!random.chance(0.1)) return
      const create = new CreateDeploymentCommand({
        applicationName: 'app',
        deploymentGroupName: 'machines',
        revision: {
          revisionType: 'S3',
          s3Location: { bucket: Bucket, key: random.chance(0.5) ? 'one.zip' : 'two.zip', bundleType: 'zip' },
        },
      })
      try {
        const made = await certain(aws.codedeploy.send(create))
        if (made?.value.deploymentId) started.push(made.value.deploymentId)
      } catch (error) {
        // One at a time.
        if (!(error instanceof CodeDeployServiceException && error.name === 'DeploymentLimitExceededException'))
          throw error
      }
    },
    check: async ({ aws }, all) => {
      const look = async () => {
        // Those whose answer never came are among them.
        const { deployments: ids = [] } = await aws.codedeploy.send(new ListDeploymentsCommand({}))
        const wrong = started.slice(-50).flatMap((id) => (ids.includes(id) ? [] : [`deployment ${id} is lost`]))
        if (!all) return wrong
        let last: DeploymentInfo | undefined
        for (let at = 0; at < ids.length; at += 25) {
          const { deploymentsInfo = [] } = await aws.codedeploy.send(
            new BatchGetDeploymentsCommand({ deploymentIds: ids.slice(at, at + 25) }),
          )
          for (const info of deploymentsInfo) {
            if (info.status !== 'Succeeded') wrong.push(`deployment ${info.deploymentId} is ${info.status}`)
            if ((info.createTime ?? 0) > (last?.createTime ?? 0)) last = info
          }
        }
        if (wrong.length === 0 && last)
          for (const root of roots) {
            const version = readFileSync(join(root, 'srv', 'app', 'version'), 'utf8')
            const wanted = last.revision?.s3Location?.key
            if (`${version}.zip` !== wanted) wrong.push(`${root} has ${version}, not ${wanted}`)
          }
        return wrong
      }
      return all ? eventually(90, look) : look()
    },
    tearDown: () => {
      for (const process of agents) process.kill('SIGKILL')
    },
  }
}
