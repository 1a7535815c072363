import type { Input } from './operation.ts'
import { fail, malformedXml } from './operation.ts'

// Which requests of other origins a bucket allows ("Using cross-origin resource sharing", S3 user guide). A pure engine.

export type CorsRule = NonNullable<Input<'PutBucketCors'>['CORSConfiguration']['CORSRules']>[number]

const methods = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE']

const stars = (text: string): number => text.split('*').length - 1

/** Throws MalformedXML, InvalidRequest. */
export const checkCorsRules = (rules: readonly CorsRule[] | undefined): readonly CorsRule[] => {
  if (!rules || rules.length === 0 || rules.length > 100) throw malformedXml()
  for (const { ID, AllowedMethods, AllowedOrigins, AllowedHeaders = [], ExposeHeaders = [] } of rules) {
    if (!AllowedMethods?.length || !AllowedOrigins?.length) throw malformedXml()
    if (ID !== undefined && ID.length > 255)
      throw fail('InvalidRequest', 'ID length should not exceed allowed limit of 255')
    for (const method of AllowedMethods)
      if (!methods.includes(method))
        throw fail('InvalidRequest', `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`)
    for (const origin of AllowedOrigins)
      if (stars(origin) > 1)
        throw fail('InvalidRequest', `AllowedOrigin "${origin}" can not have more than one wildcard.`)
    for (const header of AllowedHeaders)
      if (stars(header) > 1)
        throw fail('InvalidRequest', `AllowedHeader "${header}" can not have more than one wildcard.`)
    for (const header of ExposeHeaders)
      if (stars(header) > 0)
        throw fail(
          'InvalidRequest',
          `ExposeHeader "${header}" contains wildcard. We currently do not support wildcard for ExposeHeader.`,
        )
  }
  return rules
}

/** One star at most stands for anything. */
const fits = (pattern: string, text: string): boolean => {
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === text
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)]
  return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail)
}

export type CorsRequest = { readonly origin: string; readonly method: string; readonly headers: readonly string[] }

/** The first rule that allows a request, and the origin to name in the answer. */
const allowing = (rules: readonly CorsRule[], { origin, method, headers }: CorsRequest) => {
  for (const rule of rules) {
    const pattern = rule.AllowedOrigins?.find((each) => fits(each, origin))
    if (pattern === undefined || !rule.AllowedMethods?.includes(method)) continue
    const allowed = (rule.AllowedHeaders ?? []).map((each) => each.toLowerCase())
    if (headers.every((header) => allowed.some((each) => fits(each, header))))
      return { rule, everyone: pattern === '*' }
  }
  return undefined
}

/** Headers that tell a browser what is allowed; undefined where no rule allows it. */
export const corsHeaders = (rules: readonly CorsRule[], request: CorsRequest): Record<string, string> | undefined => {
  const found = allowing(rules, request)
  if (!found) return undefined
  const { rule, everyone } = found
  return {
    'access-control-allow-origin': everyone ? '*' : request.origin,
    'access-control-allow-methods': (rule.AllowedMethods ?? []).join(', '),
    ...(request.headers.length > 0 ? { 'access-control-allow-headers': request.headers.join(', ') } : {}),
    ...(rule.ExposeHeaders?.length ? { 'access-control-expose-headers': rule.ExposeHeaders.join(', ') } : {}),
    ...(rule.MaxAgeSeconds === undefined ? {} : { 'access-control-max-age': String(rule.MaxAgeSeconds) }),
    ...(everyone ? {} : { 'access-control-allow-credentials': 'true' }),
    vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  }
}
