import { execFileSync, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { callCommands, type Host } from './agent/host.ts'
import { type Fleet, fleet } from './fleet-bench.ts'

// The wire as AWS's own agent speaks it: no session, no say in the envelope, a signature that OpenSSL accepts.

const able = spawnSync('openssl', ['version']).status === 0
if (!able) console.log('Skipped: signed deployment specifications. There is no openssl to verify them.')

let it: Fleet
let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-signer-'))
  it = await fleet({ durable: true })
})
afterEach(async () => {
  await it.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The calls of AWS's agent, in its own language: verification, one signer, its subject. Prints what was signed. */
const ruby = `require 'openssl'
message, authorities, subject = ARGV
store = OpenSSL::X509::Store.new
store.add_file authorities
pkcs7 = OpenSSL::PKCS7.new(File.read(message))
abort 'not verified' unless pkcs7.verify([], store, nil, OpenSSL::PKCS7::NOCHAIN)
abort 'not one signer' unless pkcs7.certificates.size == 1
abort pkcs7.certificates[0].subject.to_s unless pkcs7.certificates[0].subject.to_s == subject
print pkcs7.data`
const subject = '/C=US/ST=Washington/L=Seattle/O=Amazon.com, Inc./CN=codedeploy-signer-us-east-1.amazonaws.com'
const hasRuby = spawnSync('ruby', ['-ropenssl', '-e', '']).status === 0
if (!hasRuby)
  console.log('Skipped: what Ruby, the language of AWS’s agent, says of signed specifications. There is no ruby.')

/** What the agent does with an envelope: OpenSSL's verification against the authorities in its own file. */
const verified = async (payload: string): Promise<unknown> => {
  const authority = await (await fetch(`${it.story.endpoint}/_drydock/codedeploy/signer-authority.pem`)).text()
  const [message, authorities, signer] = ['message', 'authorities', 'signer'].map((name) => join(folder, name))
  writeFileSync(message ?? '', payload)
  writeFileSync(authorities ?? '', authority)
  const args = ['-in', message ?? '', '-inform', 'PEM', '-CAfile', authorities ?? '', '-signer', signer ?? '']
  const text = execFileSync('openssl', ['smime', '-verify', '-nochain', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  if (hasRuby)
    expect(execFileSync('ruby', ['-e', ruby, message ?? '', authorities ?? '', subject]).toString()).toBe(
      text.toString(),
    )
  return JSON.parse(text.toString())
}

test.skipIf(!able)('an agent that speaks as AWS’s does works through a whole deployment', async () => {
  await it.onPremises('rack', { agent: false })
  const filter = { Key: 'Application', Value: 'app', Type: 'KEY_AND_VALUE' as const }
  await it.group({ ec2TagFilters: [], onPremisesInstanceTagFilters: [filter] })
  let host: Host = await it.hostOf('rack')
  const HostIdentifier = host.identifier
  const poll = async () =>
    (await callCommands<{ HostCommand?: Record<string, string> }>(host, 'PollHostCommand', { HostIdentifier }))
      .HostCommand
  expect(await poll()).toBeUndefined()
  const deploymentId = await it.start('any.zip')
  await it.story.settled()
  const done: string[] = []
  for (let command = await poll(); command; command = await poll()) {
    const { HostCommandIdentifier, DeploymentExecutionId, CommandName = '' } = command
    expect(
      await callCommands(host, 'PutHostCommandAcknowledgement', {
        HostCommandIdentifier,
        Diagnostics: { Format: 'JSON', Payload: '{"IsCommandNoop":false}' },
      }),
    ).toEqual({ CommandStatus: 'InProgress' })
    // It asks for more while it works, and is not given the same again.
    expect(await poll()).toBeUndefined()
    const { DeploymentSpecification, DeploymentSystem } = await callCommands<{
      DeploymentSystem: string
      DeploymentSpecification: { GenericEnvelope: { Format: string; Payload: string } }
    }>(host, 'GetDeploymentSpecification', { DeploymentExecutionId, HostIdentifier })
    expect(DeploymentSystem).toBe('CodeDeploy')
    expect(DeploymentSpecification.GenericEnvelope.Format).toBe('PKCS7/JSON')
    expect(await verified(DeploymentSpecification.GenericEnvelope.Payload)).toMatchObject({
      DeploymentId: deploymentId,
      ApplicationName: 'app',
      DeploymentGroupName: 'group',
      Revision: { RevisionType: 'S3', S3Revision: { Bucket: 'bundles', Key: 'any.zip', BundleType: 'zip' } },
    })
    expect(await callCommands(host, 'PostHostCommandUpdate', { HostCommandIdentifier })).toEqual({
      CommandStatus: 'InProgress',
    })
    const Payload = '{"error_code":0,"script_name":"","message":"Succeeded","log":""}'
    const Diagnostics = { Format: 'JSON', Payload }
    await callCommands(host, 'PutHostCommandComplete', {
      HostCommandIdentifier,
      CommandStatus: 'Succeeded',
      Diagnostics,
    })
    done.push(CommandName)
    if (done.length > 1) continue
    // Another run of the server has the same keys.
    await it.restart()
    host = await it.hostOf('rack')
  }
  expect(done).toHaveLength(7)
  expect(await it.ended(deploymentId)).toMatchObject({ status: 'Succeeded' })
  const signer = new X509Certificate(readFileSync(join(folder, 'signer')))
  expect(signer.subject.replaceAll('\\', '').split('\n')).toEqual([
    'C=US',
    'ST=Washington',
    'L=Seattle',
    'O=Amazon.com, Inc.',
    'CN=codedeploy-signer-us-east-1.amazonaws.com',
  ])
})

test.skipIf(!able)('a specification that somebody changed is not accepted', async () => {
  await it.onPremises('rack', { agent: false })
  const filter = { Key: 'Application', Value: 'app', Type: 'KEY_AND_VALUE' as const }
  await it.group({ ec2TagFilters: [], onPremisesInstanceTagFilters: [filter] })
  const DeploymentExecutionId = await it.start('any.zip')
  await it.story.settled()
  const { DeploymentSpecification } = await callCommands<{
    DeploymentSpecification: { GenericEnvelope: { Payload: string } }
  }>(await it.hostOf('rack'), 'GetDeploymentSpecification', { DeploymentExecutionId })
  const { Payload } = DeploymentSpecification.GenericEnvelope
  const bytes = Buffer.from(Payload.replace(/-----.*-----|\n/g, ''), 'base64')
  bytes.write('evil', bytes.indexOf('any.zip'))
  await expect(
    verified(`-----BEGIN PKCS7-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PKCS7-----\n`),
  ).rejects.toThrow('Command failed')
})
