import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { Group } from './deployment-groups.ts'
import { fail, type Operation } from './operation.ts'
import { page } from './page.ts'
import { putTags, Tags } from './tags.ts'

type Application = { readonly name: string; readonly id: string; readonly created: number }
export const Application = table<Application>('codedeploy.application', { scope: 'region', key: ({ name }) => name })

export const getApplication = async (tx: ReadTx, name: string): Promise<Application> => {
  const application = await tx.get(Application, name)
  if (!application) throw fail('ApplicationDoesNotExistException', `No application found for name: ${name}`)
  return application
}

export const CreateApplication: Operation<'CreateApplication'> = (
  ctx,
  { applicationName, computePlatform = 'Server', tags },
) => {
  if (computePlatform !== 'Server')
    throw fail(
      'InvalidComputePlatformException',
      `Drydock deploys to the compute platform Server; ${computePlatform} comes with its service.`,
    )
  return ctx.write(async (tx) => {
    if (await tx.get(Application, applicationName))
      throw fail('ApplicationAlreadyExistsException', `Application already exists: ${applicationName}`)
    const application = tx.put(Application, { name: applicationName, id: ctx.newId(), created: ctx.now().getTime() })
    await putTags(tx, ctx.arn(`application:${applicationName}`), tags)
    return { applicationId: application.id }
  })
}

const toInfo = ({ name, id, created }: Application) => ({
  applicationName: name,
  applicationId: id,
  createTime: new Date(created),
  linkedToGitHub: false,
  computePlatform: 'Server' as const,
})

export const GetApplication: Operation<'GetApplication'> = (ctx, { applicationName }) =>
  ctx.read(async (tx) => ({ application: toInfo(await getApplication(tx, applicationName)) }))

export const BatchGetApplications: Operation<'BatchGetApplications'> = (ctx, { applicationNames }) => {
  if (applicationNames.length > 100)
    throw fail(
      'BatchLimitExceededException',
      'The maximum number of names or IDs allowed for this request (100) was exceeded.',
    )
  return ctx.read(async (tx) => ({
    applicationsInfo: await Promise.all(applicationNames.map(async (name) => toInfo(await getApplication(tx, name)))),
  }))
}

export const ListApplications: Operation<'ListApplications'> = (ctx, { nextToken }) =>
  ctx.read(async (tx) => {
    const { items, ...more } = page(await tx.list(Application), nextToken)
    return { applications: items.map(({ name }) => name), ...more }
  })

const moveGroups = async (tx: WriteTx, from: string, to: string): Promise<void> => {
  for (const group of await tx.list(Group, { prefix: `${from}/` })) {
    tx.delete(Group, `${from}/${group.name}`)
    tx.put(Group, { ...group, application: to })
  }
}

export const UpdateApplication: Operation<'UpdateApplication'> = (ctx, { applicationName = '', newApplicationName }) =>
  ctx.write(async (tx) => {
    const application = await getApplication(tx, applicationName)
    if (newApplicationName === undefined || newApplicationName === applicationName) return {}
    if (await tx.get(Application, newApplicationName))
      throw fail('ApplicationAlreadyExistsException', `Application already exists: ${newApplicationName}`)
    tx.delete(Application, applicationName)
    tx.put(Application, { ...application, name: newApplicationName })
    await moveGroups(tx, applicationName, newApplicationName)
    return {}
  })

export const DeleteApplication: Operation<'DeleteApplication'> = (ctx, { applicationName }) =>
  ctx.write(async (tx) => {
    tx.delete(Application, applicationName)
    tx.delete(Tags, ctx.arn(`application:${applicationName}`))
    for (const { name } of await tx.list(Group, { prefix: `${applicationName}/` })) {
      tx.delete(Group, `${applicationName}/${name}`)
      tx.delete(Tags, ctx.arn(`deploymentgroup:${applicationName}/${name}`))
    }
    return {}
  })
