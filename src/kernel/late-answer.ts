import { Readable } from 'node:stream'
import { xmlDeclaration } from './protocols/xml-writer.ts'
import type { WireResponse } from './wire.ts'

// Answers in XML that begin before there is a result: while it is awaited, white space keeps the connection from timing out.

/** How long a result is waited for before the answer begins, and between its signs of life: milliseconds of the clock nobody turns. */
export type Patience = { readonly before: number; readonly between: number }
/** Clients give up after 60 seconds of silence, some after 30. */
export const usualPatience: Patience = { before: 10_000, between: 5_000 }

const late = Symbol('late')

const within = async <T>(result: Promise<T>, milliseconds: number): Promise<T | typeof late> => {
  let timer: NodeJS.Timeout | undefined
  const alarm = new Promise<typeof late>((resolve) => {
    timer = setTimeout(resolve, milliseconds, late)
  })
  try {
    return await Promise.race([result, alarm])
  } finally {
    clearTimeout(timer)
  }
}

/** The answer itself when it is there in time; else what `begin` gives, with a body that ends as the answer's when that is there. */
export const inTime = async (
  answer: Promise<WireResponse>,
  { before, between }: Patience,
  begin: () => Promise<Pick<WireResponse, 'status' | 'headers'>>,
): Promise<WireResponse> => {
  const early = await within(answer, before)
  if (early !== late) return early
  // A client that has gone away hears of no failure.
  answer.catch(() => undefined)
  return { ...(await begin()), body: Readable.from(goingOn(answer, between), { objectMode: false }) }
}

async function* goingOn(answer: Promise<WireResponse>, pause: number): AsyncGenerator<string> {
  yield xmlDeclaration
  for (;;) {
    const result = await within(answer, pause)
    if (result === late) yield ' '
    else {
      yield String(result.body ?? '').replace(xmlDeclaration, '')
      return
    }
  }
}
