import type { Input } from './operation.ts'
import { fail, malformedXml } from './operation.ts'

// What a website configuration makes of a request ("Hosting a static website using Amazon S3", S3 user guide). A pure engine.

export type WebsiteDocument = Input<'PutBucketWebsite'>['WebsiteConfiguration']
type RoutingRule = NonNullable<WebsiteDocument['RoutingRules']>[number]

const invalid = (message: string, members: Record<string, string> = {}) => fail('InvalidArgument', message, members)

const checkProtocol = (protocol: string | undefined): void => {
  if (protocol !== undefined && protocol !== 'http' && protocol !== 'https')
    throw fail(
      'InvalidRequest',
      'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.',
    )
}

const checkRoutingRule = ({ Condition: condition, Redirect: redirect }: RoutingRule): void => {
  if (!redirect) throw malformedXml()
  const { HttpRedirectCode: code, ReplaceKeyWith, ReplaceKeyPrefixWith } = redirect
  if (Object.values(redirect).every((value) => value === undefined)) throw malformedXml()
  checkProtocol(redirect.Protocol)
  if (code !== undefined && (!/^3\d\d$/.test(code) || code === '300'))
    throw fail(
      'InvalidRequest',
      `The provided HTTP redirect code (${code}) is not valid. Valid codes are 3XX except 300.`,
    )
  if (ReplaceKeyWith !== undefined && ReplaceKeyPrefixWith !== undefined)
    throw fail('InvalidRequest', 'You can only define ReplaceKeyPrefix or ReplaceKey but not both.')
  if (!condition) return
  const error = condition.HttpErrorCodeReturnedEquals
  if (error === undefined && condition.KeyPrefixEquals === undefined)
    throw fail(
      'InvalidRequest',
      "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
    )
  if (error !== undefined && !/^[45]\d\d$/.test(error))
    throw fail('InvalidRequest', `The provided HTTP error code (${error}) is not valid. Valid codes are 4XX or 5XX.`)
}

/** Throws InvalidArgument, InvalidRequest, MalformedXML. */
export const checkWebsite = (website: WebsiteDocument): WebsiteDocument => {
  const { IndexDocument: index, ErrorDocument: error, RedirectAllRequestsTo: all, RoutingRules: rules } = website
  if (all) {
    if (index || error || rules)
      throw invalid('RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.')
    if (!all.HostName) throw malformedXml()
    checkProtocol(all.Protocol)
    return website
  }
  if (!index) throw invalid('A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty')
  if (!index.Suffix || index.Suffix.includes('/'))
    throw invalid('The IndexDocument Suffix is not well formed', { ArgumentName: 'IndexDocument' })
  if (error && !error.Key) throw invalid('The ErrorDocument Key is not well formed', { ArgumentName: 'ErrorDocument' })
  if ((rules?.length ?? 0) > 50)
    throw fail('InvalidRequest', `The number of website routing rules exceeds 50: ${rules?.length}`)
  for (const rule of rules ?? []) checkRoutingRule(rule)
  return website
}

/** `host` is undefined for the website's own. */
export type Redirect = {
  readonly status: number
  readonly protocol: string | undefined
  readonly host: string | undefined
  readonly key: string
}

/** Where the first routing rule for a key sends it; `status` of the error, or undefined before the object is looked for. */
export const redirectOf = (
  rules: readonly RoutingRule[] | undefined,
  key: string,
  status: number | undefined,
): Redirect | undefined => {
  for (const { Condition: condition, Redirect: to } of rules ?? []) {
    const { HttpErrorCodeReturnedEquals: error, KeyPrefixEquals: prefix } = condition ?? {}
    if (!to || (error === undefined ? status !== undefined : Number(error) !== status)) continue
    if (prefix !== undefined && !key.startsWith(prefix)) continue
    return {
      status: Number(to.HttpRedirectCode ?? 301),
      protocol: to.Protocol,
      host: to.HostName,
      key:
        to.ReplaceKeyWith ??
        (to.ReplaceKeyPrefixWith === undefined ? key : to.ReplaceKeyPrefixWith + key.slice((prefix ?? '').length)),
    }
  }
  return undefined
}

/** Whose document stands for a folder: the index. */
export const documentKey = (path: string, suffix: string): string =>
  path === '' || path.endsWith('/') ? path + suffix : path
