import type {
  AccessRequest,
  AppliedPolicy,
  ConditionBlock,
  Decision,
  PolicyKind,
  PolicyPrincipal,
  PrincipalElement,
  Statement,
} from '../policy.ts'

// What AWS's documentation says is allowed or denied, as data. Facts are the pages'; policies are written for the case.

/** `implicitDeny`, or with the kind of policy that decides where the page says which. */
export type Expected = Decision['decision'] | `${'explicitDeny' | 'implicitDeny'} ${PolicyKind}`

/** A request; condition keys as people write them, single values bare. */
export type Asked = Partial<Omit<AccessRequest, 'context'>> & {
  readonly context?: Readonly<Record<string, string | readonly string[]>>
}

export type Case = {
  readonly title: string
  /** Title of the page of AWS's documentation that says so. */
  readonly page: string
  readonly asked: Asked
  readonly expected: Expected
}

export type Row = readonly [title: string, asked: Asked, expected: Expected]

/** Cases of one page, over what they have in common. */
export const page = (title: string, common: Asked, rows: readonly Row[]): readonly Case[] =>
  rows.map(([name, asked, expected]) => ({
    title: name,
    page: title,
    asked: { ...common, ...asked, context: { ...common.context, ...asked.context } },
    expected,
  }))

/** Cases about Condition blocks alone: what they stand on is allowed when they hold. */
export const conditions = (
  title: string,
  rows: readonly (readonly [
    title: string,
    block: ConditionBlock,
    context: NonNullable<Asked['context']>,
    holds: boolean,
  ])[],
): readonly Case[] =>
  rows.map(([name, Condition, context, holds]) => ({
    title: name,
    page: title,
    asked: { context, policies: [identity({ ...allow(), Condition })] },
    expected: holds ? 'allowed' : 'implicitDeny identity',
  }))

export const account = '111122223333'
export const other = '444455556666'
export const third = '999999999999'

export const user = (name: string, of = account): PolicyPrincipal => ({
  kind: 'user',
  account: of,
  arn: `arn:aws:iam::${of}:user/${name}`,
})
export const roleSession = (role: string, session: string, of = account): PolicyPrincipal => ({
  kind: 'role',
  account: of,
  arn: `arn:aws:sts::${of}:assumed-role/${role}/${session}`,
  roleArn: `arn:aws:iam::${of}:role/${role}`,
})
/** A session of GetFederationToken, and the user who asked for it. */
export const federatedUser = (name: string, by: string, of = account): PolicyPrincipal => ({
  kind: 'federated',
  account: of,
  arn: `arn:aws:sts::${of}:federated-user/${name}`,
  roleArn: `arn:aws:iam::${of}:user/${by}`,
})
export const root = (of = account): PolicyPrincipal => ({ kind: 'root', account: of, arn: `arn:aws:iam::${of}:root` })
export const service = (host: string): PolicyPrincipal => ({ kind: 'service', account: '', arn: host })
export const anonymous: PolicyPrincipal = { kind: 'anonymous', account: '', arn: 'anonymous' }

export const rootArn = (of: string) => `arn:aws:iam::${of}:root`

type Names = string | readonly string[]
export const allow = (Action: Names = '*', Resource: Names = '*', Condition?: ConditionBlock): Statement => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...(Condition ? { Condition } : {}),
})
export const deny = (Action: Names = '*', Resource: Names = '*', Condition?: ConditionBlock): Statement => ({
  ...allow(Action, Resource, Condition),
  Effect: 'Deny',
})
export const to = (Principal: PrincipalElement, statement: Statement = allow()): Statement => ({
  ...statement,
  Principal,
})

const applied =
  (kind: PolicyKind) =>
  (...statements: readonly Statement[]): AppliedPolicy => ({
    kind,
    id: kind,
    document: { Version: '2012-10-17', Statement: statements },
  })
export const identity = applied('identity')
export const boundary = applied('boundary')
export const sessionPolicy = applied('session')
export const resourcePolicy = applied('resource')
export const scp = (level: string, ...statements: readonly Statement[]): AppliedPolicy => ({
  ...applied('service-control')(...statements),
  level,
})
export const rcp = (level: string, ...statements: readonly Statement[]): AppliedPolicy => ({
  ...applied('resource-control')(...statements),
  level,
})

/** What a case leaves open. */
export const standard: AccessRequest = {
  principal: user('alice'),
  action: 's3:GetObject',
  resource: 'arn:aws:s3:::reports/may.csv',
  resourceAccount: account,
  context: {},
  policies: [],
}
