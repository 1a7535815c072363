import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import type { ApprovalRule } from './approval-rule.ts'
import { appliesTo, readContent } from './approval-rule-content.ts'
import { Association, getTemplate, Template, tell } from './approval-templates.ts'
import { fail, type Operation } from './operation.ts'
import { getPage } from './page.ts'
import { findRepositoryById, getRepository, type Repository } from './repositories.ts'

/** Quotas in CodeCommit. */
const mostOfRepository = 25
const mostRepositories = 100

/** The templates of a repository, by name. */
const templatesOf = async (tx: ReadTx, repository: Repository): Promise<Template[]> => {
  const found: Template[] = []
  for (const { templateId } of await tx.list(Association, { prefix: `${repository.id}/` }))
    found.push(...(await tx.list(Template, { index: 'id', equals: templateId, limit: 1 })))
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The rules that a repository's templates put on a new pull request to this branch. */
export const templateRules = async (
  ctx: Ctx,
  tx: ReadTx,
  repository: Repository,
  destination: string,
): Promise<ApprovalRule[]> => {
  const now = ctx.now().toISOString()
  return (await templatesOf(tx, repository)).flatMap(({ id, name, content, modifiedBy }) => {
    const read = readContent(content)
    if (!read || !appliesTo(read, destination)) return []
    const template = { id, name }
    return [{ id: ctx.newId(), name, content, created: now, modified: now, modifiedBy, template }]
  })
}

/** Says whether it is new. Raises MaximumRuleTemplatesAssociatedWithRepositoryException. */
const associate = async (tx: WriteTx, template: Template, repositoryName: string): Promise<Repository | undefined> => {
  const repository = await getRepository(tx, repositoryName)
  const present = await tx.list(Association, { prefix: `${repository.id}/` })
  if (present.some(({ templateId }) => templateId === template.id)) return undefined
  if (present.length >= mostOfRepository)
    throw fail(
      'MaximumRuleTemplatesAssociatedWithRepositoryException',
      `A repository can have at most ${mostOfRepository} approval rule templates.`,
    )
  tx.put(Association, { repositoryId: repository.id, templateId: template.id })
  return repository
}

const disassociate = async (
  tx: WriteTx,
  template: Template,
  repositoryName: string,
): Promise<Repository | undefined> => {
  const repository = await getRepository(tx, repositoryName)
  const key = Association.key({ repositoryId: repository.id, templateId: template.id })
  if (!(await tx.get(Association, key))) return undefined
  tx.delete(Association, key)
  return repository
}

/** Doing it again changes nothing. */
export const AssociateApprovalRuleTemplateWithRepository: Operation<'AssociateApprovalRuleTemplateWithRepository'> = (
  ctx,
  { approvalRuleTemplateName, repositoryName },
) =>
  ctx.write(async (tx) => {
    const template = await getTemplate(tx, approvalRuleTemplateName)
    const repository = await associate(tx, template, repositoryName)
    if (repository)
      tell(ctx, tx, template, {
        event: 'approvalRuleTemplateAssociatedWithRepository',
        says: `An approval rule template has been associated with the following repository: [${repositoryName}].`,
        repositories: { [repositoryName]: repository.id },
      })
    return {}
  })

/** Rules that it has made stay. Doing it again changes nothing. */
export const DisassociateApprovalRuleTemplateFromRepository: Operation<
  'DisassociateApprovalRuleTemplateFromRepository'
> = (ctx, { approvalRuleTemplateName, repositoryName }) =>
  ctx.write(async (tx) => {
    const template = await getTemplate(tx, approvalRuleTemplateName)
    const repository = await disassociate(tx, template, repositoryName)
    if (repository)
      tell(ctx, tx, template, {
        event: 'approvalRuleTemplateDisassociatedFromRepository',
        says: `An approval rule template has been disassociated from the following repository: [${repositoryName}].`,
        repositories: { [repositoryName]: repository.id },
      })
    return {}
  })

type BatchError = { repositoryName: string; errorCode: string; errorMessage: string }

/** Does it for each repository; what fails for one is told beside the others. */
const each = async (
  names: readonly string[],
  one: (repositoryName: string) => Promise<Repository | undefined>,
): Promise<{ done: string[]; changed: Record<string, string>; errors: BatchError[] }> => {
  if (names.length === 0) throw fail('RepositoryNamesRequiredException', 'At least one repository name is required.')
  if (names.length > mostRepositories)
    throw fail(
      'MaximumRepositoryNamesExceededException',
      `The maximum number of repository names is ${mostRepositories}.`,
    )
  const outcome = { done: [] as string[], changed: {} as Record<string, string>, errors: [] as BatchError[] }
  for (const repositoryName of new Set(names))
    try {
      const repository = await one(repositoryName)
      if (repository) outcome.changed[repositoryName] = repository.id
      outcome.done.push(repositoryName)
    } catch (thrown) {
      if (!(thrown instanceof AwsError)) throw thrown
      outcome.errors.push({ repositoryName, errorCode: thrown.code, errorMessage: thrown.message })
    }
  return outcome
}

const listed = (names: Readonly<Record<string, string>>): string => `[${Object.keys(names).join(', ')}]`

/** Raises RepositoryNamesRequiredException and MaximumRepositoryNamesExceededException. */
export const BatchAssociateApprovalRuleTemplateWithRepositories: Operation<
  'BatchAssociateApprovalRuleTemplateWithRepositories'
> = (ctx, { approvalRuleTemplateName, repositoryNames }) =>
  ctx.write(async (tx) => {
    const template = await getTemplate(tx, approvalRuleTemplateName)
    const { done, changed, errors } = await each(repositoryNames, (name) => associate(tx, template, name))
    if (Object.keys(changed).length > 0)
      tell(ctx, tx, template, {
        event: 'batchAssociateApprovalRuleTemplateWithRepositories',
        says: `An approval rule template has been batch associated with the following repository names: ${listed(changed)}.`,
        repositories: changed,
      })
    return { associatedRepositoryNames: done, errors }
  })

/** Raises RepositoryNamesRequiredException and MaximumRepositoryNamesExceededException. */
export const BatchDisassociateApprovalRuleTemplateFromRepositories: Operation<
  'BatchDisassociateApprovalRuleTemplateFromRepositories'
> = (ctx, { approvalRuleTemplateName, repositoryNames }) =>
  ctx.write(async (tx) => {
    const template = await getTemplate(tx, approvalRuleTemplateName)
    const { done, changed, errors } = await each(repositoryNames, (name) => disassociate(tx, template, name))
    if (Object.keys(changed).length > 0)
      tell(ctx, tx, template, {
        event: 'batchDisassociateApprovalRuleTemplateFromRepositories',
        says: `An approval rule template has been batch disassociated from the following repository names: ${listed(changed)}.`,
        repositories: changed,
      })
    return { disassociatedRepositoryNames: done, errors }
  })

export const ListAssociatedApprovalRuleTemplatesForRepository: Operation<
  'ListAssociatedApprovalRuleTemplatesForRepository'
> = async (ctx, input) => {
  const all = await ctx.read(async (tx) => templatesOf(tx, await getRepository(tx, input.repositoryName)))
  const { page, nextToken } = getPage(all, input, { usual: 100, most: 1000 })
  return { approvalRuleTemplateNames: page.map(({ name }) => name), nextToken }
}

export const ListRepositoriesForApprovalRuleTemplate: Operation<'ListRepositoriesForApprovalRuleTemplate'> = async (
  ctx,
  input,
) => {
  const names = await ctx.read(async (tx) => {
    const { id } = await getTemplate(tx, input.approvalRuleTemplateName)
    const found: string[] = []
    for (const { repositoryId } of await tx.list(Association, { index: 'template', equals: id }))
      found.push(...[await findRepositoryById(tx, repositoryId)].flatMap((one) => (one ? [one.name] : [])))
    return found.sort()
  })
  const { page, nextToken } = getPage(names, input, { usual: 100, most: 1000 })
  return { repositoryNames: page, nextToken }
}
