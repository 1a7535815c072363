import type { ApprovalRuleTemplate } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { isRuleName } from './approval-rule.ts'
import { contentHash, readContent } from './approval-rule-content.ts'
import { callerOf, eventDate, senderOf } from './events.ts'
import { fail, type Operation } from './operation.ts'
import { getPage } from './page.ts'

/** A template of approval rules: one for each pull request of the repositories it is associated with. Times are ISO 8601. */
export type Template = {
  readonly id: string
  readonly name: string
  readonly description?: string
  readonly content: string
  readonly created: string
  readonly modified: string
  /** ARN. */
  readonly modifiedBy: string
}

export const Template = table<Template>('codecommit.approvalRuleTemplate', {
  scope: 'region',
  key: ({ name }) => name,
  index: { id: ({ id }) => id },
})

/** That a repository has a template. */
export type Association = { readonly repositoryId: string; readonly templateId: string }
export const Association = table<Association>('codecommit.templateAssociation', {
  scope: 'region',
  key: ({ repositoryId, templateId }) => `${repositoryId}/${templateId}`,
  index: { template: ({ templateId }) => templateId },
})

/** Quotas in CodeCommit, in a Region. */
const mostTemplates = 1000

const toTemplate = (template: Template): ApprovalRuleTemplate => ({
  approvalRuleTemplateId: template.id,
  approvalRuleTemplateName: template.name,
  approvalRuleTemplateDescription: template.description,
  approvalRuleTemplateContent: template.content,
  ruleContentSha256: contentHash(template.content),
  creationDate: new Date(template.created),
  lastModifiedDate: new Date(template.modified),
  lastModifiedUser: template.modifiedBy,
})

export const checkTemplateName = (name: string): void => {
  if (!isRuleName(name))
    throw fail('InvalidApprovalRuleTemplateNameException', `The approval rule template name ${name} is not valid.`)
}

const checkContent = (content: string): void => {
  if (!readContent(content))
    throw fail('InvalidApprovalRuleTemplateContentException', 'The content of the approval rule template is not valid.')
}

/** Raises InvalidApprovalRuleTemplateNameException and ApprovalRuleTemplateDoesNotExistException. */
export const getTemplate = async (tx: ReadTx, name: string): Promise<Template> => {
  checkTemplateName(name)
  const template = await tx.get(Template, name)
  if (!template)
    throw fail('ApprovalRuleTemplateDoesNotExistException', `The approval rule template ${name} does not exist.`)
  return template
}

/** Tells of a change. `repositories`: id by name, for those that are concerned. */
export const tell = (
  ctx: Ctx,
  tx: WriteTx,
  template: Template,
  { event, says, repositories = {} }: { event: string; says: string; repositories?: Readonly<Record<string, string>> },
): void => {
  tx.emit({
    source: 'aws.codecommit',
    'detail-type': 'CodeCommit Approval Rule Template Change',
    account: ctx.account,
    region: ctx.region,
    resources: Object.keys(repositories).map((name) => ctx.arn(name)),
    detail: {
      event,
      approvalRuleTemplateId: template.id,
      approvalRuleTemplateName: template.name,
      approvalRuleTemplateContentSha256: contentHash(template.content),
      ...senderOf(callerOf(ctx)),
      creationDate: eventDate(template.created),
      lastModifiedDate: eventDate(template.modified),
      repositories,
      notificationBody: `A approval rule template event occurred in the following AWS CodeCommit account: ${ctx.account}. User: ${ctx.principal.arn}. Additional information: ${says} For more information, go to the AWS CodeCommit console.`,
    },
  })
}

const nameIsTaken = (name: string) =>
  fail('ApprovalRuleTemplateNameAlreadyExistsException', `An approval rule template named ${name} already exists.`)

/** Raises ApprovalRuleTemplateNameAlreadyExistsException and NumberOfRuleTemplatesExceededException. */
export const CreateApprovalRuleTemplate: Operation<'CreateApprovalRuleTemplate'> = (ctx, input) => {
  const { approvalRuleTemplateName: name, approvalRuleTemplateContent: content } = input
  const description = input.approvalRuleTemplateDescription
  checkTemplateName(name)
  checkContent(content)
  return ctx.write(async (tx) => {
    if (await tx.get(Template, name)) throw nameIsTaken(name)
    if ((await tx.list(Template, { limit: mostTemplates })).length >= mostTemplates)
      throw fail(
        'NumberOfRuleTemplatesExceededException',
        `A Region can have ${mostTemplates} approval rule templates.`,
      )
    const now = ctx.now().toISOString()
    const template = tx.put(Template, {
      id: ctx.newId(),
      name,
      ...(description ? { description } : {}),
      content,
      created: now,
      modified: now,
      modifiedBy: ctx.principal.arn,
    })
    tell(ctx, tx, template, {
      event: 'approvalRuleTemplateCreated',
      says: `An approval rule template with the following name has been created: ${name}. The ID of the created template is: ${template.id}.`,
    })
    return { approvalRuleTemplate: toTemplate(template) }
  })
}

export const GetApprovalRuleTemplate: Operation<'GetApprovalRuleTemplate'> = (ctx, input) =>
  ctx.read(async (tx) => ({
    approvalRuleTemplate: toTemplate(await getTemplate(tx, input.approvalRuleTemplateName)),
  }))

/** By name. Raises InvalidMaxResultsException and InvalidContinuationTokenException. */
export const ListApprovalRuleTemplates: Operation<'ListApprovalRuleTemplates'> = async (ctx, input) => {
  const all = await ctx.read((tx) => tx.list(Template))
  const { page, nextToken } = getPage(all, input, { usual: 100, most: 1000 })
  return { approvalRuleTemplateNames: page.map(({ name }) => name), nextToken }
}

const update = (ctx: Ctx, name: string, changes: (template: Template) => Partial<Template>) =>
  ctx.write(async (tx) => {
    const template = await getTemplate(tx, name)
    const updated: Template = {
      ...template,
      ...changes(template),
      modified: ctx.now().toISOString(),
      modifiedBy: ctx.principal.arn,
    }
    if (updated.name !== name) {
      if (await tx.get(Template, updated.name)) throw nameIsTaken(updated.name)
      tx.delete(Template, name)
    }
    tx.put(Template, updated)
    tell(ctx, tx, updated, {
      event: 'approvalRuleTemplateUpdated',
      says: `An approval rule template with the following name has been updated: ${updated.name}. The ID of the updated template is: ${updated.id}. The after rule template content SHA256 is ${contentHash(updated.content)}.`,
    })
    return { approvalRuleTemplate: toTemplate(updated) }
  })

/** Rules that it has made already stay as they are. Raises InvalidRuleContentSha256Exception. */
export const UpdateApprovalRuleTemplateContent: Operation<'UpdateApprovalRuleTemplateContent'> = (ctx, input) => {
  const { approvalRuleTemplateName, newRuleContent: content, existingRuleContentSha256: hash } = input
  checkContent(content)
  return update(ctx, approvalRuleTemplateName, (template) => {
    if (hash !== undefined && hash !== contentHash(template.content))
      throw fail('InvalidRuleContentSha256Exception', 'The SHA-256 hash is not that of the present content.')
    return { content }
  })
}

export const UpdateApprovalRuleTemplateDescription: Operation<'UpdateApprovalRuleTemplateDescription'> = (ctx, input) =>
  update(ctx, input.approvalRuleTemplateName, () => ({ description: input.approvalRuleTemplateDescription }))

/** Raises ApprovalRuleTemplateNameAlreadyExistsException. */
export const UpdateApprovalRuleTemplateName: Operation<'UpdateApprovalRuleTemplateName'> = (ctx, input) => {
  checkTemplateName(input.newApprovalRuleTemplateName)
  return update(ctx, input.oldApprovalRuleTemplateName, () => ({ name: input.newApprovalRuleTemplateName }))
}

/** A template that is not there is no error: the answer then has no id. Raises ApprovalRuleTemplateInUseException. */
export const DeleteApprovalRuleTemplate: Operation<'DeleteApprovalRuleTemplate'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { approvalRuleTemplateName: name } = input
    checkTemplateName(name)
    const template = await tx.get(Template, name)
    if (!template) return { approvalRuleTemplateId: undefined }
    if ((await tx.list(Association, { index: 'template', equals: template.id, limit: 1 })).length > 0)
      throw fail(
        'ApprovalRuleTemplateInUseException',
        `The approval rule template ${name} is associated with repositories.`,
      )
    tx.delete(Template, name)
    tell(ctx, tx, template, {
      event: 'approvalRuleTemplateDeleted',
      says: `An approval rule template with the following name has been deleted: ${name}. The ID of the updated template is: ${template.id}.`,
    })
    return { approvalRuleTemplateId: template.id }
  })
