import type { Parameter as WireParameter } from '@aws-sdk/client-ssm'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import { matchesFilters, parseFilters } from './filters.ts'
import { invalid, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import {
  addressOf,
  findByArn,
  findParameter,
  getParameter,
  notFound,
  Parameter,
  type ParameterRecord,
  parameterArn,
  parseName,
  selected,
  toParameter,
  type Version,
  valueOfPolicy,
  versionsOf,
} from './parameter.ts'
import { deleteParameter } from './policies.ts'
import { publicParameters } from './public.ts'
import { referenced, referencePrefix } from './reference.ts'
import { revealed } from './secure-string.ts'

const read = async (ctx: Ctx, given: string, decrypt: boolean | undefined): Promise<WireParameter> => {
  const shared = addressOf(ctx, given)
  if (shared && shared.place.account !== ctx.account) return readShared(ctx, shared, given, decrypt)
  const { name, selector } = parseName(ctx, given)
  if (name.startsWith(referencePrefix)) return referenced(ctx, name, selector, decrypt)
  const known = name.startsWith('/aws/service/') ? publicParameters(ctx).find((one) => one.name === name) : undefined
  const own = async (tx: ReadTx): Promise<Version> => {
    const parameter = given.startsWith('arn:') ? await findByArn(ctx, tx, given) : await findParameter(tx, name)
    if (!parameter) throw notFound(name)
    return selected(tx, parameter, selector)
  }
  const version = known?.version ?? (await ctx.read(own))
  const arn = parameterArn(ctx, name)
  return toParameter(name, arn, version, await revealed(ctx, arn, version, decrypt), selector)
}

/** What another account shares is known by its ARN alone; a secret is decrypted with the caller's rights on its owner's key. */
const readShared = async (
  ctx: Ctx,
  { place, name, selector }: NonNullable<ReturnType<typeof addressOf>>,
  given: string,
  decrypt: boolean | undefined,
): Promise<WireParameter> => {
  const arn = selector === undefined ? given : given.slice(0, -(selector.length + 1))
  const version = await ctx.read(async (tx) => {
    const parameter = await findByArn(ctx, tx, arn)
    if (!parameter) throw notFound(name)
    return selected(tx, parameter, selector, place)
  })
  return toParameter(arn, arn, version, await revealed(ctx, arn, version, decrypt), selector)
}

export const GetParameter: Operation<'GetParameter'> = async (ctx, { Name, WithDecryption }) => ({
  Parameter: await read(ctx, Name, WithDecryption),
})

/** Up to ten; names that are nothing are told and are no error. */
export const GetParameters: Operation<'GetParameters'> = async (ctx, { Names, WithDecryption }) => {
  if (new Set(Names).size < Names.length) throw invalid('Duplicate parameter names are not allowed.')
  const found: WireParameter[] = []
  const missing: string[] = []
  for (const name of Names) {
    try {
      found.push(await read(ctx, name, WithDecryption))
    } catch (error) {
      if (!(error instanceof AwsError) || !/^Parameter(Version)?NotFound$/.test(error.code)) throw error
      missing.push(name)
    }
  }
  return { Parameters: found, InvalidParameters: missing }
}

/** `/a` has `/a/b` below it, and with `Recursive` `/a/b/c` too. */
const isBelow = (name: string, path: string, recursive: boolean): boolean => {
  const start = path.endsWith('/') ? path : `${path}/`
  return name.startsWith(start) && (recursive || !name.slice(start.length).includes('/'))
}

export const GetParametersByPath: Operation<'GetParametersByPath'> = async (ctx, input) => {
  const { Path, Recursive = false, WithDecryption } = input
  if (!Path.startsWith('/'))
    throw invalid(
      'The parameter doesn\'t meet the parameter name requirements. The parameter name must begin with a forward slash "/". It can\'t be prefixed with \\"aws\\" or \\"ssm\\" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.',
    )
  const filters = parseFilters(input.ParameterFilters, ['Type', 'KeyId', 'Label'])
  const prefix = Path.endsWith('/') ? Path : `${Path}/`
  const own = await ctx.read((tx) => tx.list(Parameter, { prefix }))
  const wanted = filters.find(({ key }) => key === 'Label')?.values ?? []
  const candidates: { name: string; version: Version; selector?: string }[] = Path.startsWith('/aws/')
    ? publicParameters(ctx).map(({ name, version }) => ({ name, version }))
    : await labelled(
        ctx,
        own.filter((parameter) => matchesFilters(parameter, filters)),
        wanted,
      )
  const below = candidates.filter(({ name }) => isBelow(name, Path, Recursive))
  const { items, next } = pageOf(below, input, 10, ({ name }) => name)
  const Parameters: WireParameter[] = []
  for (const { name, version, selector } of items) {
    const arn = parameterArn(ctx, name)
    Parameters.push(toParameter(name, arn, version, await revealed(ctx, arn, version, WithDecryption), selector))
  }
  return { Parameters, ...next }
}

/** Asked by labels, each parameter answers with the version that has the first of them. */
const labelled = (
  ctx: Ctx,
  parameters: readonly ParameterRecord[],
  wanted: readonly string[],
): Promise<{ name: string; version: Version; selector?: string }[]> =>
  ctx.read((tx) =>
    Promise.all(
      parameters.map(async (parameter) => {
        const label = wanted.find((each) => Object.hasOwn(parameter.labels, each))
        return {
          name: parameter.name,
          version: await selected(tx, parameter, label),
          ...(label === undefined ? {} : { selector: label }),
        }
      }),
    ),
  )

const policiesOf = ({ policies }: Version) => policies.map(valueOfPolicy)

const facts = (name: string, version: Version) => ({
  Name: name,
  Type: version.type,
  ...(version.keyId === undefined ? {} : { KeyId: version.keyId }),
  LastModifiedDate: new Date(version.modified),
  LastModifiedUser: version.user,
  ...(version.description === undefined ? {} : { Description: version.description }),
  ...(version.allowedPattern === undefined ? {} : { AllowedPattern: version.allowedPattern }),
  Version: version.version,
  Tier: version.tier,
  Policies: policiesOf(version),
  DataType: version.dataType,
})

/** Every version, oldest first, each with its labels. */
export const GetParameterHistory: Operation<'GetParameterHistory'> = async (ctx, input) => {
  const shared = addressOf(ctx, input.Name)
  const { name, arn, labels, versions } = await ctx.read(async (tx) => {
    const theirs = shared && shared.place.account !== ctx.account
    const own = theirs ? input.Name : parseName(ctx, input.Name).name
    const parameter = theirs ? await findByArn(ctx, tx, own) : await getParameter(tx, own)
    if (!parameter) throw notFound(own)
    return {
      name: own,
      arn: theirs ? own : parameterArn(ctx, own),
      labels: Object.entries(parameter.labels),
      versions: await versionsOf(tx, parameter.name, theirs ? shared.place : undefined),
    }
  })
  const { items, next } = pageOf(versions, input, 50, ({ version }) => String(version).padStart(12, '0'))
  const Parameters = []
  for (const version of items)
    Parameters.push({
      ...facts(name, version),
      Value: await revealed(ctx, arn, version, input.WithDecryption),
      Labels: labels.filter(([, of]) => of === version.version).map(([label]) => label),
    })
  return { Parameters, ...next }
}

/** What parameters there are, without their values. */
export const DescribeParameters: Operation<'DescribeParameters'> = async (ctx, input) => {
  if (input.Filters?.length && input.ParameterFilters?.length)
    throw invalid('You can use either Filters or ParameterFilters in a single request.')
  // Only what Resource Access Manager shares, which a policy alone does not do ("PutResourcePolicy", API reference).
  if (input.Shared) return { Parameters: [] }
  const older = input.Filters?.map(({ Key, Values }) => ({ Key, Values }))
  const filters = parseFilters(input.ParameterFilters ?? older)
  const all = await ctx.read((tx) => tx.list(Parameter))
  const { items, next } = pageOf(
    all.filter((parameter) => matchesFilters(parameter, filters)),
    input,
    10,
    ({ name }) => name,
  )
  return {
    Parameters: items.map(({ name, current }) => ({ ...facts(name, current), ARN: parameterArn(ctx, name) })),
    ...next,
  }
}

export const DeleteParameter: Operation<'DeleteParameter'> = async (ctx, { Name }) => {
  const { name } = parseName(ctx, Name)
  await ctx.write(async (tx) => deleteParameter(ctx, tx, await getParameter(tx, name)))
  return {}
}

export const DeleteParameters: Operation<'DeleteParameters'> = (ctx, { Names }) =>
  ctx.write(async (tx) => {
    const deleted: string[] = []
    for (const given of Names) {
      const parameter = await findParameter(tx, parseName(ctx, given).name)
      if (!parameter) continue
      await deleteParameter(ctx, tx, parameter)
      deleted.push(given)
    }
    return { DeletedParameters: deleted, InvalidParameters: Names.filter((name) => !deleted.includes(name)) }
  })
