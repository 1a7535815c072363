import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { inTime } from './late-answer.ts'
import { xmlDeclaration } from './protocols/xml-writer.ts'
import type { WireResponse } from './wire.ts'

const answer: WireResponse = {
  status: 404,
  headers: { 'content-type': 'application/xml' },
  body: `${xmlDeclaration}<Error/>`,
}
const begin = async () => ({ status: 200, headers: { 'x-amz-request-id': '1' } })

test('an answer that is there in time goes out as it is', async () => {
  expect(await inTime(Promise.resolve(answer), { before: 60_000, between: 60_000 }, begin)).toBe(answer)
})

test('an answer that is late begins without its result, and ends with it', async () => {
  const { promise, resolve } = Promise.withResolvers<WireResponse>()
  const late = await inTime(promise, { before: 1, between: 1 }, begin)
  expect(late).toMatchObject(await begin())
  const body = late.body as AsyncIterable<Buffer>
  let seen = ''
  for await (const chunk of body) {
    seen += chunk
    if (seen.endsWith('   ')) resolve(answer)
  }
  expect(seen).toMatch(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n {3,}<Error\/>$/)
})

test('what fails without any answer breaks the body off', async () => {
  const { promise, reject } = Promise.withResolvers<WireResponse>()
  const late = await inTime(promise, { before: 1, between: 60_000 }, begin)
  reject(new Error('no answer'))
  await expect(text(late.body as AsyncIterable<Buffer>)).rejects.toThrow('no answer')
})
