import type { ResourceType } from '@aws-sdk/client-accessanalyzer'
import type { Ctx } from '../../kernel/context.ts'
import { type Place, type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { type Input, notFound } from './operation.ts'

export type AnalyzerType = Input<'CreateAnalyzer'>['type']
export type Analyzer = {
  readonly arn: string
  readonly name: string
  readonly type: AnalyzerType
  readonly account: string
  readonly region: string
  /** Epoch milliseconds. */
  readonly created: number
  readonly tags: Readonly<Record<string, string>>
  readonly unusedAccess?: { readonly days: number; readonly exclusions: readonly Exclusion[] }
  readonly internalAccess?: { readonly inclusions: readonly Inclusion[] }
  /** What was looked at last, and when. */
  readonly last?: { readonly resource: string; readonly at: number }
}
/** Which resources an internal access analyzer looks at: those that fit one of these, in all that it says. */
type Inclusion = {
  readonly accounts?: readonly string[]
  readonly types?: readonly ResourceType[]
  readonly resources?: readonly string[]
}
/** Accounts and tags of what an unused access analyzer passes over. */
type Exclusion = {
  readonly accounts: readonly string[]
  readonly tags: readonly Readonly<Record<string, string>>[]
}

/** Of all accounts and Regions: what happens in one account may concern an organization's analyzer in another. */
export const Analyzers = table<Analyzer>('accessanalyzer.analyzer', {
  scope: 'global',
  key: ({ arn }) => arn,
  index: { place: ({ account, region }) => `${account} ${region}` },
})

export const isUnused = ({ type }: Pick<Analyzer, 'type'>): boolean => type.endsWith('_UNUSED_ACCESS')
export const isInternal = ({ type }: Pick<Analyzer, 'type'>): boolean => type.endsWith('_INTERNAL_ACCESS')
export const isOrganization = ({ type }: Pick<Analyzer, 'type'>): boolean => type.startsWith('ORGANIZATION')

export const analyzerArn = ({ account, region }: Place, name: string): string =>
  `arn:aws:access-analyzer:${region}:${account}:analyzer/${name}`

/** Throws ResourceNotFoundException; the ARN must be of this place. */
export const getAnalyzer = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<Analyzer> => {
  const analyzer = await tx.get(Analyzers, arn)
  if (analyzer?.account !== ctx.account || analyzer.region !== ctx.region) throw notFound('Analyzer', arn)
  return analyzer
}

export const getNamed = (ctx: Ctx, tx: ReadTx, name: string): Promise<Analyzer> =>
  getAnalyzer(ctx, tx, analyzerArn(ctx, name))

/** Has the analyzer look at everything again. */
export const scanSoon = (tx: WriteTx, { arn, account, region }: Pick<Analyzer, 'arn' | 'account' | 'region'>): void =>
  tx.wake('accessanalyzer.scan', arn, { at: { account, region } })
