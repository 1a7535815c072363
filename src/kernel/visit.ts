import { auditRecord, auditStream } from './audit.ts'
import type { RequestFacts } from './context.ts'
import { identity } from './identity.ts'
import type { Kernel } from './kernel.ts'
import { serviceFacts } from './model/catalog.ts'
import { anonymous } from './principal.ts'
import type { Service, Visit } from './service.ts'

/** What serves somebody who came by one of a service's own doors. Belongs to the era in which it is made. */
export const visitOf = (kernel: Kernel, service: Service, facts: RequestFacts): Visit => {
  const home = { account: kernel.account, region: kernel.region }
  const era = kernel.era()
  const contextOf: Visit['actAs'] = (
    principal,
    place = { ...home, ...(principal.account ? { account: principal.account } : {}) },
  ) => kernel.contextFor({ service, principal, place, request: facts, era })
  return {
    ctx: contextOf(anonymous),
    actAs: contextOf,
    audit: async (ctx, call) => {
      const now = kernel.clock.now()
      const { iamPrefix, eventSource } = serviceFacts(service.id)
      const attempt = { action: `${iamPrefix}:${call.eventName}`, region: ctx.region, tracked: true }
      ctx.use(identity).used(ctx.principal, attempt)
      if (call.dataEvent && !(await kernel.keepsDataEvents(era))) return
      const record = auditRecord({
        principal: ctx.principal,
        ...ctx.place,
        now,
        eventSource,
        request: facts,
        dataEvent: false,
        responseElements: undefined,
        ...call,
      })
      await era.append.append(auditStream(ctx.account, ctx.region), [{ time: now.getTime(), body: record }])
    },
  }
}
