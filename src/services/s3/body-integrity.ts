import { createHash } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { checksumAlgorithms, hasher, headerOf } from './checksum.ts'
import { fail } from './operation.ts'
import { contentMd5 } from './upload-request.ts'

/**
 * Holds a request's XML or JSON body against its Content-MD5 and checksum headers ("Checking object integrity", S3 user
 * guide). Throws BadDigest, InvalidDigest, InvalidRequest.
 */
const checkBody = async ({ request: { body, headers } }: Ctx): Promise<void> => {
  if (!body) return
  const md5 = contentMd5(headers['content-md5'])
  if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('hex'))
    throw fail('BadDigest', 'The Content-MD5 you specified did not match what we received.')
  for (const [name, value] of Object.entries(headers)) {
    if (!/^x-amz-checksum-(?!algorithm$|type$|mode$)/.test(name)) continue
    const algorithm = checksumAlgorithms.find((each) => headerOf(each) === name)
    if (!algorithm) throw fail('InvalidRequest', `Value for ${name} header is invalid.`)
    const hash = await hasher(algorithm)
    hash.update(body)
    if (hash.digest() !== value)
      throw fail('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`)
  }
}

const names = /^(content-md5|x-amz-checksum-(?!algorithm$|type$|mode$).*|x-amz-trailer)$/

/** The operation, where a request proves what its body is ("DeleteObjects", S3 API reference). Throws InvalidRequest. */
export const proved =
  <I, O>(operation: (ctx: Ctx, input: I) => Promise<O> | O) =>
  (ctx: Ctx, input: I): Promise<O> | O => {
    const given = Object.keys(ctx.request.headers)
    if (given.length > 0 && !given.some((name) => names.test(name)))
      throw fail('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*')
    return operation(ctx, input)
  }

/** The operation, once its request's body is what the caller says it is. */
export const intact =
  <I, O>(operation: (ctx: Ctx, input: I) => Promise<O> | O) =>
  async (ctx: Ctx, input: I): Promise<O> => {
    await checkBody(ctx)
    return operation(ctx, input)
  }
