import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import {
  CreateKeyPairCommand,
  DeleteKeyPairCommand,
  DescribeKeyPairsCommand,
  ImportKeyPairCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type InstancesBench, instancesBench } from './instances-bench.ts'

let bench: InstancesBench
beforeEach(async () => {
  bench = await instancesBench()
})
afterEach(() => bench.drydock.close())

const publicKey = async (name: string) => {
  const { KeyPairs } = await bench.ec2.send(new DescribeKeyPairsCommand({ KeyNames: [name], IncludePublicKey: true }))
  return KeyPairs?.[0]?.PublicKey
}

test.each(['rsa', 'ed25519'] as const)('a %s pair is made: the private key is told once', async (KeyType) => {
  const made = await bench.ec2.send(
    new CreateKeyPairCommand({
      KeyName: 'mine',
      KeyType,
      TagSpecifications: [{ ResourceType: 'key-pair', Tags: [{ Key: 'who', Value: 'me' }] }],
    }),
  )
  expect(made.KeyPairId).toMatch(/^key-[0-9a-f]{17}$/)
  expect(createPrivateKey(made.KeyMaterial ?? '').asymmetricKeyType).toBe(KeyType)
  expect(made.KeyFingerprint).toMatch(KeyType === 'rsa' ? /^([0-9a-f]{2}:){19}[0-9a-f]{2}$/ : /^[\w+/]{43}=$/)
  const { KeyPairs } = await bench.ec2.send(new DescribeKeyPairsCommand({ KeyPairIds: [made.KeyPairId ?? ''] }))
  expect(KeyPairs).toMatchObject([{ KeyName: 'mine', KeyType, Tags: [{ Key: 'who', Value: 'me' }] }])
  expect(JSON.stringify(KeyPairs)).not.toContain('PRIVATE')
  expect(await publicKey('mine')).toMatch(KeyType === 'rsa' ? /^ssh-rsa AAAA/ : /^ssh-ed25519 AAAA/)
  await expect(bench.ec2.send(new CreateKeyPairCommand({ KeyName: 'mine' }))).rejects.toMatchObject({
    name: 'InvalidKeyPair.Duplicate',
    message: "The keypair 'mine' already exists.",
  })
})

test('a public key is imported, and comes into the machines that name it', async () => {
  const { KeyMaterial = '' } = await bench.ec2.send(new CreateKeyPairCommand({ KeyName: 'first' }))
  expect(KeyMaterial).toContain('BEGIN RSA PRIVATE KEY')
  const line = (await publicKey('first')) ?? ''
  const imported = await bench.ec2.send(
    new ImportKeyPairCommand({ KeyName: 'second', PublicKeyMaterial: Buffer.from(line) }),
  )
  expect(imported.KeyFingerprint).toMatch(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/)
  await bench.launch({ KeyName: 'second' })
  const files = bench.drydock.compute.started[0]?.files ?? []
  expect(files.find(({ path }) => path.endsWith('authorized_keys'))?.content).toBe(`${line}\n`)
})

test('what is no public key is refused', async () => {
  const pem = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })
  const line = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb1'
  for (const text of ['', 'hello', 'ssh-rsa AAAA', String(pem), 'ssh-dss AAAAB3NzaC1kc3M=', `${line}\nssh-rsa x`])
    await expect(
      bench.ec2.send(new ImportKeyPairCommand({ KeyName: 'bad', PublicKeyMaterial: Buffer.from(text) })),
    ).rejects.toMatchObject({ name: expect.stringMatching(/^(InvalidKey.Format|MissingParameter)$/) })
  const { KeyPairs } = await bench.ec2.send(new DescribeKeyPairsCommand({}))
  expect(KeyPairs).toEqual([])
})

test('deleting twice is no error; asking for one that is not there is', async () => {
  await bench.ec2.send(new CreateKeyPairCommand({ KeyName: 'mine', KeyType: 'ed25519' }))
  for (let times = 0; times < 2; times++) await bench.ec2.send(new DeleteKeyPairCommand({ KeyName: 'mine' }))
  await expect(bench.ec2.send(new DescribeKeyPairsCommand({ KeyNames: ['mine'] }))).rejects.toMatchObject({
    name: 'InvalidKeyPair.NotFound',
    message: "The key pair 'mine' does not exist",
  })
})
