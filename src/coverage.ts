import { serviceModel } from './kernel/model/catalog.ts'
import type { ServiceId } from './kernel/model/clients.ts'
import type { Service } from './kernel/service.ts'

export type OperationCoverage = { readonly state: 'real' | 'partial' | 'absent'; readonly missing?: string }
export type Coverage = {
  readonly [service: string]: {
    readonly real: number
    readonly partial: number
    readonly absent: number
    readonly operations: Readonly<Record<string, OperationCoverage>>
  }
}

/** What every operation of every service is: `real`, `partial` with the sentence that says what is missing, or absent. */
export const coverageOf = async (services: ReadonlyMap<ServiceId, Service>): Promise<Coverage> => {
  const rows = await Promise.all(
    [...services.values()].map(async (service) => {
      const model = await serviceModel(service.id)
      const operations = Object.fromEntries(
        model.operationNames.toSorted().map((name): [string, OperationCoverage] => {
          if (!Object.hasOwn(service.operations, name)) return [name, { state: 'absent' }]
          const missing = service.partial[name]
          return [name, missing ? { state: 'partial', missing } : { state: 'real' }]
        }),
      )
      const count = (state: OperationCoverage['state']) =>
        Object.values(operations).filter((row) => row.state === state).length
      return [
        service.id,
        { real: count('real'), partial: count('partial'), absent: count('absent'), operations },
      ] as const
    }),
  )
  return Object.fromEntries(rows)
}
