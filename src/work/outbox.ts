/** AWS's event as EventBridge carries it, before it has an envelope id. Emitted by services, delivered to `onEvent` of those that listen. */
export type DomainEvent = {
  readonly source: string
  readonly 'detail-type': string
  readonly account: string
  readonly region: string
  /** ISO 8601; the clock's now unless told. */
  readonly time?: string
  readonly resources: readonly string[]
  readonly detail: Readonly<Record<string, unknown>>
  /** Bus name; `default` unless told. */
  readonly bus?: string
}

/** An event with its envelope: `id` is stable over repeated deliveries. */
export type DeliveredEvent = DomainEvent & { readonly id: string; readonly time: string; readonly version: '0' }
