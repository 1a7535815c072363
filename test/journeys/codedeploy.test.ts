import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { appspec, type Fleet, fleet } from '../../src/services/codedeploy/fleet-bench.ts'
import { hasCli, rootEnvironment, run } from './clients.ts'

// CodeDeploy with a client that no one here wrote: the AWS CLI registers a machine, packs a revision, and swaps two sets.

const cli = await hasCli('CodeDeploy')
vi.setConfig({ testTimeout: 180_000 })

let it: Fleet
let folder: string
let environment: Record<string, string | undefined>
beforeAll(async () => {
  it = await fleet()
  folder = mkdtempSync(join(tmpdir(), 'drydock-codedeploy-journey-'))
  environment = rootEnvironment(it.story, folder)
})
afterAll(async () => {
  await it.close()
  rmSync(folder, { recursive: true, force: true })
})

/** `aws deploy …`, its answer as plain text. */
const deploy = async (...words: string[]): Promise<string> =>
  (await run('aws', ['deploy', ...words, '--output', 'text'], { env: environment, cwd: folder })).stdout.trim()

/** A folder with a revision; `aws deploy push` takes it to S3. */
const push = async (version: string): Promise<void> => {
  const source = join(folder, version)
  mkdirSync(join(source, 'app'), { recursive: true })
  writeFileSync(join(source, 'appspec.yml'), appspec({ AfterAllowTraffic: 'serve.sh', AfterInstall: 'serve.sh' }))
  writeFileSync(join(source, 'app/version'), version)
  writeFileSync(join(source, 'serve.sh'), '#!/bin/sh\necho "$LIFECYCLE_EVENT" >>"$ROOT/served"\n')
  chmodSync(join(source, 'serve.sh'), 0o755)
  await deploy('push', '--application-name', 'app', '--source', source, '--s3-location', `s3://bundles/${version}.zip`)
}
const location = (version: string) => ['--s3-location', `bucket=bundles,key=${version}.zip,bundleType=zip`]
const group = (name: string, ...more: string[]) =>
  deploy(
    ...['create-deployment-group', '--application-name', 'app', '--deployment-group-name', name],
    ...['--service-role-arn', it.serviceRole, '--deployment-config-name', 'CodeDeployDefault.AllAtOnce'],
    ...more,
  )
const create = (name: string, ...more: string[]) =>
  deploy(
    ...['create-deployment', '--application-name', 'app', '--deployment-group-name', name, '--query', 'deploymentId'],
    ...more,
  )

test.skipIf(!cli)('a machine that `register` registers takes what `push` packs', async () => {
  await deploy('register', '--instance-name', 'rack', '--tags', 'Key=stage,Value=prod')
  // The CLI leaves the agent's configuration where it was called: it is for the machine.
  const conf = join(it.rootOf('rack'), 'etc/codedeploy-agent/conf')
  mkdirSync(conf, { recursive: true })
  copyFileSync(join(folder, 'codedeploy.onpremises.yml'), join(conf, 'codedeploy.onpremises.yml'))
  it.startAgent('rack', it.story.endpoint)
  expect(
    await deploy('list-on-premises-instances', '--tag-filters', 'Key=stage,Value=prod,Type=KEY_AND_VALUE'),
  ).toContain('rack')
  await push('one')
  await group('racks', '--on-premises-instance-tag-filters', 'Key=stage,Value=prod,Type=KEY_AND_VALUE')
  const id = await create('racks', ...location('one'))
  expect(await it.ended(id)).toMatchObject({ status: 'Succeeded' })
  expect(await it.read('rack', 'srv/app/version')).toBe('one')
  expect(await deploy('get-deployment-target', '--deployment-id', id, '--target-id', 'rack')).toContain('Succeeded')
  await deploy('deregister', '--instance-name', 'rack')
  expect(await deploy('list-on-premises-instances', '--registration-status', 'Registered')).toBe('')
})

test.skipIf(!cli)('two tagged sets of machines are swapped', async () => {
  const [blue = ''] = await it.launch(1, { tag: 'blue' })
  const [green = ''] = await it.launch(1, { tag: 'green' })
  await push('two')
  await group(
    'swap',
    ...['--ec2-tag-filters', 'Key=Application,Value=blue,Type=KEY_AND_VALUE'],
    ...['--deployment-style', 'deploymentType=BLUE_GREEN,deploymentOption=WITHOUT_TRAFFIC_CONTROL'],
    '--blue-green-deployment-configuration',
    'terminateBlueInstancesOnDeploymentSuccess={action=TERMINATE,terminationWaitTimeInMinutes=5},deploymentReadyOption={actionOnTimeout=STOP_DEPLOYMENT,waitTimeInMinutes=5},greenFleetProvisioningOption={action=DISCOVER_EXISTING}',
  )
  const replacements = '{"tagFilters":[{"Key":"Application","Value":"green","Type":"KEY_AND_VALUE"}]}'
  const id = await create('swap', ...location('two'), '--target-instances', replacements)
  const status = () => deploy('get-deployment', '--deployment-id', id, '--query', 'deploymentInfo.status')
  await it.eventually('readiness', async () => (await status()) === 'Ready')
  await deploy('continue-deployment', '--deployment-id', id, '--deployment-wait-type', 'READY_WAIT')
  await it.eventually('the wait for termination', async () => (await it.get(id)).instanceTerminationWaitTimeStarted)
  await deploy('continue-deployment', '--deployment-id', id, '--deployment-wait-type', 'TERMINATION_WAIT')
  await deploy('wait', 'deployment-successful', '--deployment-id', id)
  expect(await it.read(green, 'served')).toBe('AfterInstall\nAfterAllowTraffic\n')
  expect(
    await deploy('list-deployment-targets', '--deployment-id', id, '--target-filters', 'ServerInstanceLabel=Blue'),
  ).toContain(blue)
})
