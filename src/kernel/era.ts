import type { Blobs } from '../blobs/blobs.ts'
import type { ComputeDriver } from '../compute/driver.ts'
import type { AppendStore } from '../store/append.ts'
import type { Store } from '../store/store.ts'
import { AwsError } from './errors.ts'

type State = {
  readonly store: Pick<Store, 'read' | 'write'>
  readonly append: AppendStore
  readonly blobs: Blobs
  readonly compute: ComputeDriver
}

/**
 * The state as contexts see it from one reset to the next. A request or step that a reset overtakes keeps the era it
 * began in, and once that has ended it reaches nothing any more: what it had in mind is not written into the new state.
 */
export type Era = State & {
  /** What capabilities remember, by name; a new era makes them anew. */
  readonly made: Map<string, unknown>
  readonly ended: () => boolean
  /** @throws ServiceUnavailable once the era has ended. */
  readonly check: () => void
  readonly end: () => void
}

export const beginEra = ({ store, append, blobs, compute }: State): Era => {
  let over = false
  const check = () => {
    if (over)
      throw new AwsError('ServiceUnavailable', 'The state was reset while this request was under way.', { status: 503 })
  }
  return {
    made: new Map(),
    ended: () => over,
    check,
    end: () => {
      over = true
    },
    store: {
      // Checked each time the body runs: a reset makes open transactions run again.
      read: (place, body) =>
        store.read(place, (tx) => {
          check()
          return body(tx)
        }),
      write: (place, body) =>
        store.write(place, (tx) => {
          check()
          return body(tx)
        }),
    },
    append: {
      ...append,
      append: async (stream, entries) => {
        check()
        return append.append(stream, entries)
      },
      follow: (prefix, follower) => {
        check()
        return append.follow(prefix, follower)
      },
    },
    blobs: {
      ...blobs,
      put: async (bytes) => {
        check()
        return blobs.put(bytes)
      },
      writer: async () => {
        check()
        const writer = await blobs.writer()
        const commit = async () => {
          if (over) await writer.cancel()
          check()
          return writer.commit()
        }
        return Object.create(writer, { commit: { value: commit } })
      },
    },
    compute: Object.create(compute, {
      start: {
        value: async (spec: Parameters<ComputeDriver['start']>[0]) => {
          check()
          return compute.start(spec)
        },
      },
    }),
  }
}
