import type { Readable } from 'node:stream'
import type {
  BlobPayloadInputTypes,
  StreamingBlobPayloadInputTypes,
  StreamingBlobPayloadOutputTypes,
} from '@smithy/types'

// The SDK's own input and output types, seen from the server: blobs are bytes, streams are streams, what the model
// requires is there (the `validate` step has seen to it).

type Command<I, O> = abstract new (
  ...args: never
) => { readonly input: I; resolveMiddleware(...args: never): (...args: never) => Promise<{ output: O }> }
type InputOf<C> = C extends Command<infer I, infer _O> ? I : never
type OutputOf<C> = C extends Command<infer _I, infer O> ? O : never

type Is<T, U> = [U] extends [NonNullable<T>] ? ([NonNullable<T>] extends [U] ? true : false) : false
type Leaf = Date | Uint8Array | Readable | ((...args: never) => unknown)

/** A structure in which members the model requires are never undefined, all the way down. */
export type Present<T> = T extends Leaf | string | number | boolean | undefined | null
  ? T
  : T extends readonly (infer E)[]
    ? Present<E>[]
    : { [K in keyof T]: Record<never, never> extends Pick<T, K> ? Present<T[K]> : Present<Exclude<T[K], undefined>> }

type ServerInput<T> = {
  [K in keyof T]: Is<T[K], StreamingBlobPayloadInputTypes> extends true
    ? Readable
    : Is<T[K], BlobPayloadInputTypes> extends true
      ? Uint8Array | Extract<T[K], undefined>
      : Record<never, never> extends Pick<T, K>
        ? Present<T[K]>
        : Present<Exclude<T[K], undefined>>
}

type ServerOutput<T> = {
  [K in keyof T as K extends '$metadata' ? never : K]: Is<T[K], StreamingBlobPayloadOutputTypes> extends true
    ? Readable | Uint8Array | undefined
    : NonNullable<T[K]> extends Uint8Array
      ? Uint8Array | undefined
      : T[K]
}

/** Names of the operations an SDK package has, without the `Command` suffix. */
export type OperationName<NS> = keyof NS extends infer K
  ? K extends `${infer O}Command`
    ? O extends '' | '$'
      ? never
      : O
    : never
  : never

export type OperationInput<NS, O extends OperationName<NS>> = ServerInput<InputOf<NS[`${O}Command` & keyof NS]>>
export type OperationOutput<NS, O extends OperationName<NS>> = ServerOutput<OutputOf<NS[`${O}Command` & keyof NS]>>
