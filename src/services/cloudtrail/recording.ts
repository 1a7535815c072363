import type { Recording } from '../../kernel/audit.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import { EventDataStore } from './lake/event-data-store.ts'
import { Trail } from './trail.ts'

/**
 * Without a trail or event data store nobody could ever see a data event. With any there is a reader: those that select
 * data events, and Access Analyzer, whose generated policies go by what a trail covers.
 */
export const makeRecording = (at: (place: Place) => Ctx): Recording => {
  const ctx = at({ account: '', region: '' })
  return {
    dataEvents: () =>
      ctx.read(
        async (tx) =>
          (await tx.list(Trail, { limit: 1 })).length > 0 || (await tx.list(EventDataStore, { limit: 1 })).length > 0,
      ),
  }
}
