import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { expect, it } from 'vitest'
import { ComputeError, type Image, type RegistryCredentials } from '../../compute/driver.ts'
import { allow, contextOf, drydock, logsPolicy, onBench, project, run } from './builds-bench.ts'

onBench()

const environment = {
  type: 'LINUX_CONTAINER',
  image: 'registry.example/team/tools:1',
  computeType: 'BUILD_GENERAL1_SMALL',
} as const

it('an image is fetched with what the secret says, which the service role has to be able to read', async () => {
  const secrets = drydock.client(SecretsManagerClient)
  const secret = async (Name: string, SecretString: string) =>
    (await secrets.send(new CreateSecretCommand({ Name, SecretString }))).ARN ?? ''
  const credential = await secret('registry', '{"username":"ana","password":"from the secret"}')
  const odd = await secret('odd', '"username"')
  const asked: [Image, RegistryCredentials | undefined][] = []
  drydock.compute.fetch = async (image, credentials) => {
    asked.push([image, credentials])
    if (credentials?.username !== 'ana') throw new ComputeError('image', 'denied')
  }
  const reader = await drydock.role('reader', 'codebuild.amazonaws.com', [
    logsPolicy,
    allow(['secretsmanager:GetSecretValue'], [credential, odd]),
  ])
  const blind = await drydock.role('blind', 'codebuild.amazonaws.com', [logsPolicy])
  const credentials = (credential: string) => ({ credential, credentialProvider: 'SECRETS_MANAGER' }) as const
  const refused = project({ environment: { ...environment, registryCredential: credentials(credential) } })
  await expect(refused).rejects.toMatchObject({ name: 'InvalidInputException', message: /SERVICE_ROLE/ })
  await project({
    serviceRole: reader,
    environment: {
      ...environment,
      imagePullCredentialsType: 'SERVICE_ROLE',
      registryCredential: credentials(credential),
    },
  })
  expect((await run()).buildStatus).toBe('SUCCEEDED')
  expect(asked).toEqual([[{ docker: environment.image }, { username: 'ana', password: 'from the secret' }]])

  const denied = contextOf(await run({ serviceRoleOverride: blind }), 'PROVISIONING')
  expect(denied?.statusCode).toBe('BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE')
  expect(denied?.message).toMatch(/AccessDenied.*secretsmanager:GetSecretValue/)
  const empty = contextOf(await run({ registryCredentialOverride: credentials(odd) }), 'PROVISIONING')
  expect(empty?.message).toMatch(/no username and password/)
  expect(asked.length).toBe(1)
})

it('compute that is told by its attributes has them', async () => {
  const custom = project({ environment: { ...environment, computeType: 'CUSTOM_INSTANCE_TYPE' } })
  await expect(custom).rejects.toMatchObject({ $metadata: { httpStatusCode: 501 } })
  const bare = project({ environment: { ...environment, computeType: 'ATTRIBUTE_BASED_COMPUTE' } })
  await expect(bare).rejects.toMatchObject({ name: 'InvalidInputException' })
  await project({
    environment: {
      ...environment,
      image: 'aws/codebuild/standard:7.0',
      computeType: 'ATTRIBUTE_BASED_COMPUTE',
      computeConfiguration: { vCpu: 3, memory: 6 },
    },
  })
  await run()
  expect(drydock.compute.started.at(-1)?.limits).toEqual({ memoryMiB: 6 * 1024, cpus: 3 })
})
