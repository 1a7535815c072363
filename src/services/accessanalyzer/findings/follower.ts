import type { AuditRecord } from '../../../kernel/audit.ts'
import { type Capability, capability } from '../../../kernel/capability.ts'
import type { Ctx } from '../../../kernel/context.ts'
import type { Place, WriteTx } from '../../../store/store.ts'
import { again, done, type Reconciler } from '../../../work/reconciler.ts'
import { Analyzers, isOrganization, scanSoon } from '../analyzer.ts'

// Analyzers look again when something was changed that may concern them, and once a day ("How findings work").

const DAY = 86_400_000
const home: Place = { account: '', region: '' }

/** Hears of calls as they are recorded. In memory: every start wakes every analyzer anyway. */
export interface Follower {
  start(): void
  stop(): void
}
export const follower: Capability<Follower> = capability<Follower>('accessanalyzer.follower')

/** There is an analyzer: the follower works, now and from every start of the server. */
export const follow = (tx: WriteTx): void => tx.wake('accessanalyzer.follow', 'streams', { at: home })

/** Calls that change who may do what, or what there is to do it to. */
const telling =
  /(Policy|Policies|Role|User|AccessKey|LoginProfile|Group|Bucket|PublicAccessBlock|AccessPoint|Acl|Grant|Key|Queue|Topic|Secret|Permission|Function|Repository|Account|Organization)/

const concerns = ({ readOnly, errorCode, eventName, eventSource }: AuditRecord): boolean =>
  !readOnly && errorCode === undefined && eventSource !== 'access-analyzer.amazonaws.com' && telling.test(eventName)

export const makeFollower = (at: (place: Place) => Ctx): Follower => {
  const ctx = at(home)
  const changed = new Set<string>()
  let unfollow: (() => void) | undefined
  let waking = false

  const wake = async () => {
    while (changed.size > 0) {
      const accounts = new Set(changed)
      changed.clear()
      const analyzers = await ctx.read((tx) => tx.list(Analyzers))
      const due = analyzers.filter((one) => accounts.has(one.account) || isOrganization(one))
      if (due.length === 0) continue
      await ctx.write(async (tx) => {
        for (const analyzer of due) scanSoon(tx, analyzer)
      })
    }
  }
  const soon = () => {
    if (waking) return
    waking = true
    void wake()
      .catch((error: unknown) => ctx.log.warn('analyzers could not be told of changes', { error: String(error) }))
      .finally(() => {
        waking = false
        if (changed.size > 0 && unfollow) soon()
      })
  }
  return {
    start: () => {
      unfollow ??= ctx.append.follow('audit/', {
        appended: (stream, entries) => {
          if (!entries.some(({ body }) => concerns(body as AuditRecord))) return
          changed.add(stream.split('/')[1] ?? '')
          soon()
        },
        ended: () => {
          unfollow = undefined
        },
      })
    },
    stop: () => {
      unfollow?.()
      unfollow = undefined
    },
  }
}

/** Keeps the follower at work while there is an analyzer; at a start all of them look, since much may have been missed. */
export const followReconciler: Reconciler = {
  name: 'accessanalyzer.follow',
  atStart: true,
  step: async (ctx) => {
    const analyzers = await ctx.read((tx) => tx.list(Analyzers))
    if (analyzers.length === 0) {
      ctx.use(follower).stop()
      return done()
    }
    ctx.use(follower).start()
    await ctx.write(async (tx) => {
      for (const analyzer of analyzers) scanSoon(tx, analyzer)
    })
    return again({ in: DAY })
  },
}
