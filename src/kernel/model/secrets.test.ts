import { expect, test } from 'vitest'
import { schemaOf, serviceModel } from './catalog.ts'
import type { ServiceId } from './clients.ts'
import { withoutSecrets } from './secrets.ts'

const inputOf = async (id: ServiceId, operation: string) =>
  schemaOf((await serviceModel(id)).operation(operation)!).input

const hidden = 'HIDDEN_DUE_TO_SECURITY_REASONS'

test('what the model marks sensitive is hidden, deep down too, and nothing else', async () => {
  const put = await inputOf('ssm', 'PutParameter')
  expect(withoutSecrets(put, { Name: '/db', Value: 'geheim', Type: 'SecureString' })).toEqual({
    Name: '/db',
    Value: hidden,
    Type: 'SecureString',
  })
  const task = await inputOf('ecs', 'RegisterTaskDefinition')
  const input = { family: 'f', containerDefinitions: [{ name: 'c', environment: [{ name: 'A', value: 'geheim' }] }] }
  expect(withoutSecrets(task, input)).toEqual({
    family: 'f',
    containerDefinitions: [{ name: 'c', environment: hidden }],
  })
  expect(input.containerDefinitions[0]?.environment).toHaveLength(1)
})

test('what holds no secrets is the same object; a stream stays one', async () => {
  const value = { repositoryName: 'r' }
  expect(withoutSecrets(await inputOf('codecommit', 'GetRepository'), value)).toBe(value)
  const body = { pipe() {} }
  expect(withoutSecrets(await inputOf('s3', 'PutObject'), { Bucket: 'b', Body: body, SSECustomerKey: 'k' })).toEqual({
    Bucket: 'b',
    Body: body,
    SSECustomerKey: hidden,
  })
})
