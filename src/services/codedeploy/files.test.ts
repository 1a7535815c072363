import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeleteRolePolicyCommand, IAMClient } from '@aws-sdk/client-iam'
import { PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { appspec, type Fleet, fleet } from './fleet-bench.ts'

// What a deployment does to the files of a machine, and where its bundle comes from.

// Every step starts processes: a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 })

let it: Fleet
beforeEach(async () => {
  it = await fleet()
  await it.group()
})
afterEach(() => it.close())

const failure = async (deploymentId = '') => {
  const [target] = await it.targets(deploymentId)
  return { event: target?.events.find((event) => event.endsWith('Failed')), ...target?.diagnostics }
}

test('a file that others put there stops the deployment, is replaced, or stays, as asked', async () => {
  const [id = ''] = await it.launch()
  const folder = join(it.rootOf(id), 'srv/app')
  mkdirSync(folder, { recursive: true })
  await writeFile(join(folder, 'b.txt'), 'theirs')
  await it.put('one.zip', { 'appspec.yml': appspec(), 'app/a.txt': 'ours', 'app/b.txt': 'ours' })

  const refused = await it.deploy('one.zip')
  expect(refused.status).toBe('Failed')
  expect(await failure(refused.deploymentId)).toMatchObject({
    event: 'Install Failed',
    errorCode: 'UnknownError',
    message: `The deployment failed because a specified file already exists at this location: ${folder}/b.txt`,
  })
  expect(await readdir(folder)).toEqual(['b.txt'])

  expect(await it.deploy('one.zip', { fileExistsBehavior: 'RETAIN' })).toMatchObject({ status: 'Succeeded' })
  expect(await readFile(join(folder, 'b.txt'), 'utf8')).toBe('theirs')
  expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('ours')
  expect(await it.deploy('one.zip', { fileExistsBehavior: 'OVERWRITE' })).toMatchObject({ status: 'Succeeded' })
  expect(await readFile(join(folder, 'b.txt'), 'utf8')).toBe('ours')
  // What AppSpec says comes before what the deployment says, and now all files are the group's own.
  await writeFile(join(folder, 'c.txt'), 'theirs')
  await it.put('two.zip', {
    'appspec.yml': appspec({}, 'file_exists_behavior: OVERWRITE'),
    'app/c.txt': 'ours',
  })
  expect(await it.deploy('two.zip')).toMatchObject({ status: 'Succeeded' })
  expect(await readdir(folder)).toEqual(['c.txt'])
})

test('permissions reach the files they name', async () => {
  const [id = ''] = await it.launch()
  await it.put('one.zip', {
    'appspec.yml': appspec(
      {},
      `permissions:
  - object: /srv/app
    pattern: "*.sh"
    except: [keep.sh]
    mode: 700
    type: [file]
  - object: /srv/app/deep
    mode: 750
    type: [directory]
  - object: /srv/app/one.conf
    mode: "0600"
  - object: /not/installed
    mode: 0`,
    ),
    'app/a.sh': '',
    'app/keep.sh': '',
    'app/deep/b.sh': '',
    'app/deep/er/c': '',
    'app/one.conf': '',
  })
  expect(await it.deploy('one.zip')).toMatchObject({ status: 'Succeeded' })
  const mode = async (path: string) => ((await stat(join(it.rootOf(id), 'srv/app', path))).mode & 0o777).toString(8)
  expect({
    a: await mode('a.sh'),
    keep: await mode('keep.sh'),
    b: await mode('deep/b.sh'),
    deep: await mode('deep'),
    er: await mode('deep/er'),
    conf: await mode('one.conf'),
  }).toEqual({ a: '700', keep: '755', b: '755', deep: '755', er: '750', conf: '600' })
})

test('a bundle that the profile may not read fails with the sentence of S3', async () => {
  await it.launch()
  await it.put('one.zip', { 'appspec.yml': appspec(), 'app/a': '' })
  await it.story.client(IAMClient).send(new DeleteRolePolicyCommand({ RoleName: 'machine', PolicyName: 'policy-0' }))
  const { deploymentId } = await it.deploy('one.zip')
  const { event, message } = await failure(deploymentId)
  expect(event).toBe('DownloadBundle Failed')
  expect(message).toMatch(
    /assumed-role\/machine\/i-[0-9a-f]+ is not authorized to perform: s3:GetObject on resource: "?arn:aws:s3:::bundles\/one.zip"?/,
  )
})

test('bundles that are not there, not what was named, or no archives', async () => {
  await it.launch()
  const missing = await it.deploy('none.zip')
  expect(await failure(missing.deploymentId)).toMatchObject({
    event: 'DownloadBundle Failed',
    logTail: 'GET s3://bundles/none.zip: 403',
  })
  await it.put('one.zip', { 'appspec.yml': appspec(), 'app/a': '' })
  const s3Location = { bucket: 'bundles', key: 'one.zip', bundleType: 'zip' as const }
  const changed = await it.deploy('', { revision: { revisionType: 'S3', s3Location: { ...s3Location, eTag: '0123' } } })
  expect((await failure(changed.deploymentId)).message).toMatch(
    /^Expected deployment artifact bundle etag 0123 but was actually [0-9a-f]{32}$/,
  )
  await it.put('no.zip', Buffer.from('this is no archive'))
  const broken = await it.deploy('no.zip')
  expect((await failure(broken.deploymentId)).message).toMatch(/^The bundle could not be unpacked: /)
  await it.put('empty.zip', { 'a.txt': '' })
  const empty = await it.deploy('empty.zip')
  expect(await failure(empty.deploymentId)).toMatchObject({
    event: 'BeforeInstall Failed',
    message: expect.stringContaining(
      'The CodeDeploy agent did not find an AppSpec file within the unpacked revision directory at revision-relative path "appspec.yml".',
    ),
  })
})

test('versions of a bundle, tar and tgz, and archives that reach outside', async () => {
  const [id = ''] = await it.launch()
  await it.story
    .client(S3Client)
    .send(new PutBucketVersioningCommand({ Bucket: 'bundles', VersioningConfiguration: { Status: 'Enabled' } }))
  const first = await it.put('app.zip', { 'appspec.yml': appspec(), 'app/version': 'first' })
  await it.put('app.zip', { 'appspec.yml': appspec(), 'app/version': 'second' })
  const s3Location = { bucket: 'bundles', key: 'app.zip', bundleType: 'zip' as const, version: first.VersionId }
  expect(await it.deploy('', { revision: { revisionType: 'S3', s3Location } })).toMatchObject({ status: 'Succeeded' })
  expect(await it.read(id, 'srv/app/version')).toBe('first')

  const folder = await mkdtemp(join(tmpdir(), 'drydock-tar-'))
  try {
    mkdirSync(join(folder, 'in/app'), { recursive: true })
    await writeFile(join(folder, 'in/appspec.yml'), appspec())
    await writeFile(join(folder, 'in/app/version'), 'tar')
    await writeFile(join(folder, 'evil'), '')
    const tar = (...args: string[]) => execFileSync('tar', args, { cwd: join(folder, 'in') })
    const key = async (name: string) => it.put(name, await readFile(join(folder, name)))
    tar('-cf', '../app.tar', '.')
    tar('-czf', '../app.tgz', '.')
    tar('-cPf', '../evil.tar', 'appspec.yml', 'app', '../evil')
    for (const type of ['tar', 'tgz'] as const) {
      await key(`app.${type}`)
      const location = { bucket: 'bundles', key: `app.${type}`, bundleType: type }
      expect(await it.deploy('', { revision: { revisionType: 'S3', s3Location: location } })).toMatchObject({
        status: 'Succeeded',
      })
      expect(await it.read(id, 'srv/app/version')).toBe('tar')
    }
    await key('evil.tar')
    const location = { bucket: 'bundles', key: 'evil.tar', bundleType: 'tar' as const }
    const evil = await it.deploy('', { revision: { revisionType: 'S3', s3Location: location } })
    expect((await failure(evil.deploymentId)).message).toBe(
      'The bundle could not be unpacked: the archive holds an entry outside its folder: ../evil',
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined
if (!has('setfacl')) console.log('Skipped: access control lists of deployed files. There is no setfacl (package acl).')

test.skipIf(!has('setfacl'))('access control lists reach the files and folders they name', async () => {
  const [id = ''] = await it.launch()
  const permissions = (object: string, type: string, acls: readonly string[]) =>
    `permissions:\n  - object: ${object}\n    type: [${type}]\n    acls:\n${acls.map((acl) => `      - ${acl}\n`).join('')}`
  const deploy = async (name: string, ...given: Parameters<typeof permissions>) => {
    await it.put(name, { 'appspec.yml': appspec({}, permissions(...given)), 'app/data/x': '' })
    return it.deploy(name)
  }
  const aclOf = (path: string) =>
    execFileSync('getfacl', ['-cp', join(it.rootOf(id), path)])
      .toString()
      .split('\n')
  expect(await deploy('one.zip', '/srv/app/data', 'file', ['u:nobody:rw', 'm::rw'])).toMatchObject({
    status: 'Succeeded',
  })
  expect(aclOf('srv/app/data/x')).toContain('user:nobody:rw-')
  expect(await deploy('two.zip', '/srv/app', 'directory', ['d:u:nobody:rwx'])).toMatchObject({ status: 'Succeeded' })
  expect(aclOf('srv/app/data')).toContain('default:user:nobody:rwx')
  const wrong = await deploy('three.zip', '/srv/app/data', 'file', ['u:nobody-here:rw'])
  expect((await failure(wrong.deploymentId)).message).toMatch(/Failed command: setfacl -m u:nobody-here:rw/)
})

test.skipIf(has('semanage'))('a context fails on a machine without SELinux, and says what it lacks', async () => {
  await it.launch()
  const permissions = 'permissions:\n  - object: /srv/app\n    context:\n      type: httpd_sys_content_t\n'
  await it.put('one.zip', { 'appspec.yml': appspec({}, permissions), 'app/x': '' })
  const { deploymentId } = await it.deploy('one.zip')
  expect((await failure(deploymentId)).message).toMatch(/This machine has no semanage\.$/)
})

test('five revisions stay on the machine', async () => {
  const [id = ''] = await it.launch()
  await it.put('one.zip', { 'appspec.yml': appspec(), 'app/a': '' })
  const ids: (string | undefined)[] = []
  for (let round = 0; round < 7; round++) ids.push((await it.deploy('one.zip')).deploymentId)
  const root = join(it.rootOf(id), 'opt/codedeploy-agent/deployment-root')
  const group = (await readdir(root)).find((name) => /^[0-9a-f-]{36}$/.test(name)) ?? ''
  expect((await readdir(join(root, group))).toSorted()).toEqual(ids.slice(2).toSorted())
})
