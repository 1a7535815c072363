import { filtered } from './filters.ts'
import { mostInstances } from './launch-options.ts'
import { fail, type Operation } from './operation.ts'
import { mostGroups } from './security-groups.ts'
import { defaultVpc } from './vpcs.ts'

/** The regions that every account has; the others must be opted in to on AWS ("AWS Regions", user guide). */
const regions = [
  'ap-northeast-1',
  'ap-northeast-2',
  'ap-northeast-3',
  'ap-south-1',
  'ap-southeast-1',
  'ap-southeast-2',
  'ca-central-1',
  'eu-central-1',
  'eu-north-1',
  'eu-west-1',
  'eu-west-2',
  'eu-west-3',
  'sa-east-1',
  'us-east-1',
  'us-east-2',
  'us-west-1',
  'us-west-2',
]

/** Every region is served here, on one endpoint. Errors: InvalidParameterValue for a name that is none. */
export const DescribeRegions: Operation<'DescribeRegions'> = (ctx, { RegionNames, Filters }) => {
  const all = regions.includes(ctx.region) ? regions : [...regions, ctx.region].toSorted()
  for (const name of RegionNames ?? [])
    if (!all.includes(name)) throw fail('InvalidParameterValue', `Invalid region name: ${name}`)
  const endpoint = URL.parse(ctx.request.endpoint)?.host ?? ''
  const chosen = all.filter((name) => !RegionNames?.length || RegionNames.includes(name))
  const rows = filtered(chosen, Filters, ['region-name', 'endpoint', 'opt-in-status'], (name) => ({
    facts: { 'region-name': name, endpoint, 'opt-in-status': 'opt-in-not-required' },
    tags: {},
  }))
  return {
    Regions: rows.map((RegionName) => ({ RegionName, Endpoint: endpoint, OptInStatus: 'opt-in-not-required' })),
  }
}

export const DescribeAccountAttributes: Operation<'DescribeAccountAttributes'> = (ctx, { AttributeNames }) =>
  ctx.write(async (tx) => {
    const { id } = await defaultVpc(ctx, tx)
    const values: Readonly<Record<string, string>> = {
      'supported-platforms': 'VPC',
      'default-vpc': id,
      'max-instances': String(mostInstances),
      'vpc-max-security-groups-per-interface': String(mostGroups),
    }
    for (const name of AttributeNames ?? [])
      if (!Object.hasOwn(values, name))
        throw fail('InvalidParameterValue', `Value (${name}) for parameter attributeName is invalid.`)
    return {
      AccountAttributes: Object.entries(values)
        .filter(([name]) => !AttributeNames?.length || AttributeNames.some((asked) => asked === name))
        .map(([AttributeName, AttributeValue]) => ({ AttributeName, AttributeValues: [{ AttributeValue }] })),
    }
  })
