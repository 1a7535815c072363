import type { ServerResponse } from 'node:http'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { escapeXml, xmlDeclaration } from '../../kernel/protocols/xml-writer.ts'

// Answers of S3's doors that are no operation: preflight requests, websites.

/** An error in S3's own form. What is no caller's error passes through. */
export const xmlError = (ctx: Ctx, response: ServerResponse, error: unknown): void => {
  if (!(error instanceof AwsError)) throw error
  const members = Object.entries(error.members).map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`)
  const body = `${xmlDeclaration}<Error><Code>${error.code}</Code><Message>${escapeXml(error.message)}</Message>${members.join('')}<RequestId>${ctx.request.id}</RequestId><HostId>${ctx.request.id}</HostId></Error>`
  response
    .writeHead(error.status ?? 400, {
      'content-type': 'application/xml',
      'content-length': Buffer.byteLength(body),
      'x-amz-request-id': ctx.request.id,
      ...error.headers,
    })
    .end(body)
}
