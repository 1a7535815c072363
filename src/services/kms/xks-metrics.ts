import type { Ctx } from '../../kernel/context.ts'
import { vendedMetrics } from '../capabilities.ts'
import { ProxyFailure } from './xks-failure.ts'

// Metrics of external key stores in CloudWatch ("AWS KMS metrics and dimensions", KMS developer guide).

type Datum = {
  readonly name: string
  readonly dimensions: Readonly<Record<string, string>>
  readonly value: number
  readonly unit: string
}

const put = (ctx: Ctx, data: readonly Datum[]): Promise<void> =>
  ctx.use(vendedMetrics).put(
    ctx.place,
    'AWS/KMS',
    data.map((datum) => ({ ...datum, time: ctx.now() })),
  )

/** A request to a store's proxy: by which operation of KMS, and which of the proxy's. */
export type Measured = {
  /** None of a store that is still being made. */
  readonly store?: string
  readonly kms: string
  readonly xks: 'Encrypt' | 'Decrypt' | 'GetKeyMetadata' | 'GetHealthStatus'
}

const retryable = new Set(['XKS_PROXY_NOT_REACHABLE', 'XKS_PROXY_TIMED_OUT'])

/** How long the proxy took, and what was wrong if it was. `ctx`: at the store's place. */
export const measured = async <T>(ctx: Ctx, { store, kms, xks }: Measured, body: () => Promise<T>): Promise<T> => {
  const started = performance.now()
  let failure: ProxyFailure | undefined
  try {
    return await body()
  } catch (thrown) {
    if (thrown instanceof ProxyFailure) failure = thrown
    throw thrown
  } finally {
    if (store !== undefined) {
      const key: Record<string, string> = xks === 'GetHealthStatus' ? {} : { KeySpec: 'SYMMETRIC_DEFAULT' }
      const dimensions = { CustomKeyStoreId: store, KmsOperation: kms, XksOperation: xks, ...key }
      const value = performance.now() - started
      const error = failure && {
        ErrorType: retryable.has(failure.failure.connection) ? 'Retryable errors' : 'Non-retryable errors',
        ExceptionName: failure.exception,
      }
      await put(ctx, [
        { name: 'XksProxyLatency', dimensions, value, unit: 'Milliseconds' },
        ...(error
          ? [{ name: 'XksProxyErrors', dimensions: { ...dimensions, ...error }, value: 1, unit: 'Count' }]
          : []),
      ])
    }
  }
}

const named = { ACTIVE: 'Active', DEGRADED: 'Degraded', UNAVAILABLE: 'Unavailable' } as const
export type Health = keyof typeof named
export const isHealth = (value: unknown): value is Health => typeof value === 'string' && Object.hasOwn(named, value)

/** How many of a store's key managers are in which state. */
export const putHealths = (ctx: Ctx, store: string, healths: readonly Health[]): Promise<void> =>
  put(
    ctx,
    Object.entries(named).map(([health, state]) => ({
      name: 'XksExternalKeyManagerStates',
      dimensions: { CustomKeyStoreId: store, XksExternalKeyManagerState: state },
      value: healths.filter((one) => one === health).length,
      unit: 'Count',
    })),
  )
