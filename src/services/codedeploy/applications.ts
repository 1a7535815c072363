import { type ReadTx, table } from '../../store/store.ts'
import { Group, renameGroup } from './deployment-groups.ts'
import { checkName, fail, type Operation } from './operation.ts'
import { checkBatch, page } from './page.ts'
import { forgetRevision, Registered, revisionsOf } from './revisions.ts'
import { moveTags, putTags, Tags } from './tags.ts'

type Application = { readonly name: string; readonly id: string; readonly created: number }
export const Application = table<Application>('codedeploy.application', { scope: 'region', key: ({ name }) => name })

/** "CodeDeploy quotas", user guide. */
const mostApplications = 1000

/** Throws ApplicationDoesNotExistException. */
export const getApplication = async (tx: ReadTx, name: string): Promise<Application> => {
  const application = await tx.get(Application, name)
  if (!application) throw fail('ApplicationDoesNotExistException', `No application found for name: ${name}`)
  return application
}

export const CreateApplication: Operation<'CreateApplication'> = (
  ctx,
  { applicationName, computePlatform = 'Server', tags },
) => {
  checkName('InvalidApplicationNameException', 'Application', applicationName)
  if (computePlatform !== 'Server')
    throw fail(
      'InvalidComputePlatformException',
      `Drydock deploys to the compute platform Server; ${computePlatform} comes with its service.`,
    )
  return ctx.write(async (tx) => {
    if (await tx.get(Application, applicationName))
      throw fail('ApplicationAlreadyExistsException', `Application already exists: ${applicationName}`)
    if ((await tx.list(Application, { limit: mostApplications })).length >= mostApplications)
      throw fail(
        'ApplicationLimitExceededException',
        `The account has reached the limit of ${mostApplications} applications.`,
      )
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
  checkBatch(applicationNames, 100, 'ApplicationNameRequiredException')
  return ctx.read(async (tx) => ({
    applicationsInfo: await Promise.all(applicationNames.map(async (name) => toInfo(await getApplication(tx, name)))),
  }))
}

export const ListApplications: Operation<'ListApplications'> = (ctx, { nextToken }) =>
  ctx.read(async (tx) => {
    const { items, ...more } = page(await tx.list(Application), nextToken)
    return { applications: items.map(({ name }) => name), ...more }
  })

export const UpdateApplication: Operation<'UpdateApplication'> = (ctx, { applicationName, newApplicationName }) => {
  if (!applicationName) throw fail('ApplicationNameRequiredException', 'The application name was not specified.')
  if (newApplicationName !== undefined) checkName('InvalidApplicationNameException', 'Application', newApplicationName)
  return ctx.write(async (tx) => {
    const application = await getApplication(tx, applicationName)
    if (newApplicationName === undefined || newApplicationName === applicationName) return {}
    if (await tx.get(Application, newApplicationName))
      throw fail('ApplicationAlreadyExistsException', `Application already exists: ${newApplicationName}`)
    tx.delete(Application, applicationName)
    tx.put(Application, { ...application, name: newApplicationName })
    await moveTags(tx, ctx.arn(`application:${applicationName}`), ctx.arn(`application:${newApplicationName}`))
    for (const group of await tx.list(Group, { prefix: `${applicationName}/` }))
      await renameGroup(ctx, tx, group, { application: newApplicationName })
    for (const revision of await revisionsOf(tx, applicationName)) {
      forgetRevision(tx, revision)
      tx.put(Registered, { ...revision, application: newApplicationName })
    }
    return {}
  })
}

export const DeleteApplication: Operation<'DeleteApplication'> = (ctx, { applicationName }) => {
  checkName('InvalidApplicationNameException', 'Application', applicationName)
  return ctx.write(async (tx) => {
    tx.delete(Application, applicationName)
    tx.delete(Tags, ctx.arn(`application:${applicationName}`))
    for (const revision of await revisionsOf(tx, applicationName)) forgetRevision(tx, revision)
    for (const { name } of await tx.list(Group, { prefix: `${applicationName}/` })) {
      tx.delete(Group, `${applicationName}/${name}`)
      tx.delete(Tags, ctx.arn(`deploymentgroup:${applicationName}/${name}`))
    }
    return {}
  })
}
