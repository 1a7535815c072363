import type { ParameterTier } from '@aws-sdk/client-ssm'
import { RE2JS } from 're2js'
import type { Ctx } from '../../kernel/context.ts'
import { publicImages } from '../capabilities.ts'
import { changed } from './events.ts'
import { checkName } from './name.ts'
import { fail, type Input, invalid, type Operation } from './operation.ts'
import {
  findParameter,
  findVersion,
  keyOfVersion,
  Parameter,
  type ParameterRecord,
  ParameterVersion,
  type PolicyRecord,
  parameterArn,
  parseName,
  type Version,
  versionsOf,
} from './parameter.ts'
import { parsePolicies, wakeFor } from './policies.ts'
import { seal } from './secure-string.ts'
import { tagsOf } from './tags.ts'

const LARGEST: Readonly<Record<'Standard' | 'Advanced', number>> = { Standard: 4096, Advanced: 8192 }
const MOST_VERSIONS = 100
const MOST_STANDARD = 10_000

const more =
  'For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html'

/** The tier a parameter gets: an advanced one never goes back. Raises ValidationException. */
const tierOf = (
  { Tier, Value }: Input<'PutParameter'>,
  present: ParameterRecord | undefined,
  policies: readonly PolicyRecord[],
): ParameterTier => {
  const size = Buffer.byteLength(Value)
  if (size > LARGEST.Advanced)
    throw invalid(`Advanced tier parameters support a maximum parameter value of ${LARGEST.Advanced} characters.`)
  const needs = size > LARGEST.Standard || policies.length > 0
  if (present?.current.tier === 'Advanced') {
    if (Tier === 'Standard')
      throw invalid(
        "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.",
      )
    return 'Advanced'
  }
  if (Tier === 'Advanced' || (Tier === 'Intelligent-Tiering' && needs)) return 'Advanced'
  if (size > LARGEST.Standard)
    throw invalid(
      `Standard tier parameters support a maximum parameter value of ${LARGEST.Standard} characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. ${more}`,
    )
  if (policies.length > 0)
    throw invalid(`To use parameter policies, upgrade the parameter to use the advanced-parameter tier. ${more}`)
  return 'Standard'
}

/** Patterns come from users: a linear engine runs them. Raises InvalidAllowedPatternException, ParameterPatternMismatchException. */
const checkPattern = (pattern: string | undefined, value: string): void => {
  if (pattern === undefined || pattern === '') return
  let fits: boolean
  try {
    fits = RE2JS.compile(pattern).matcher(value).find()
  } catch {
    throw fail('InvalidAllowedPatternException', 'The request does not meet the regular expression requirement.')
  }
  if (!fits)
    throw fail(
      'ParameterPatternMismatchException',
      `Parameter value, cannot be validated against allowedPattern: ${pattern}`,
    )
}

/** Raises ValidationException, UnsupportedParameterType's kin. */
const checkDataType = (ctx: Ctx, dataType: string, value: string): void => {
  if (dataType === 'text') return
  if (dataType === 'aws:ec2:image') {
    if (!/^ami-[0-9a-f]{8}([0-9a-f]{9})?$/.test(value))
      throw invalid(
        'Invalid parameter value: a parameter of data type aws:ec2:image holds an AMI ID such as ami-12345abcdeEXAMPLE.',
      )
    const known = Object.values(ctx.use(publicImages).parameters(ctx.place))
    if (!known.includes(value)) throw invalid(`The image ${value} is not known here.`)
    return
  }
  throw invalid(`The following data type is not supported: ${dataType} (Data type names are all lower case.)`)
}

const checkRequest = (input: Input<'PutParameter'>, present: ParameterRecord | undefined): void => {
  if (present && !input.Overwrite)
    throw fail(
      'ParameterAlreadyExists',
      'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
    )
  if (input.Value === '')
    throw invalid(
      "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.",
    )
  // "Parameters can't be referenced or nested in the values of other parameters" ("What is a parameter?", user guide).
  if (input.Value.includes('{{'))
    throw invalid('Parameter value: can\'t nest another parameter. Do not use "{{}}" in the value.')
  if (!present && input.Type === undefined) throw invalid('A parameter type is required when you create a parameter.')
  if (input.Overwrite && input.Tags?.length)
    throw invalid(
      "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
    )
  if (present && input.Type !== undefined && input.Type !== present.current.type)
    throw fail(
      'HierarchyTypeMismatchException',
      "Parameter Store doesn't support changing a parameter type in a hierarchy. For example, you can't change a parameter from a String type to a SecureString type.",
    )
}

/** The next version of a parameter, its value sealed where it is a secret. Encrypts, so not for inside a transaction. */
const nextVersion = async (
  ctx: Ctx,
  input: Input<'PutParameter'>,
  name: string,
  present: ParameterRecord | undefined,
): Promise<Version> => {
  const last = present?.current
  const type = input.Type ?? last?.type ?? 'String'
  if (input.KeyId !== undefined && type !== 'SecureString')
    throw invalid('KeyId is valid for parameters of type SecureString only.')
  const now = ctx.now().getTime()
  const policies = input.Policies === undefined ? (last?.policies ?? []) : parsePolicies(input.Policies, now)
  const tier = tierOf(input, present, policies)
  const allowedPattern = input.AllowedPattern ?? last?.allowedPattern
  checkPattern(allowedPattern, input.Value)
  const dataType = input.DataType ?? last?.dataType ?? 'text'
  if (dataType === 'aws:ec2:image' && type !== 'String')
    throw invalid('The data type aws:ec2:image is for parameters of type String only.')
  checkDataType(ctx, dataType, input.Value)
  const description = input.Description ?? last?.description
  const keyId = type === 'SecureString' ? (input.KeyId ?? last?.keyId ?? 'alias/aws/ssm') : undefined
  return {
    version: (last?.version ?? 0) + 1,
    type,
    ...(keyId === undefined
      ? { value: input.Value }
      : { sealed: await seal(ctx, parameterArn(ctx, name), keyId, input.Value), keyId }),
    modified: now,
    user: ctx.principal.arn,
    ...(description === undefined ? {} : { description }),
    ...(allowedPattern === undefined ? {} : { allowedPattern }),
    tier,
    dataType,
    // A new version begins the time without changes anew; its expiration is told once all the same.
    policies: policies.map((policy) => ({ ...policy, done: policy.type === 'ExpirationNotification' && policy.done })),
  }
}

/** A new parameter, or with `Overwrite` a new version of one; the oldest of more than a hundred goes, unless it has a label. */
export const PutParameter: Operation<'PutParameter'> = async (ctx, input) => {
  const { name, selector } = parseName(ctx, input.Name)
  if (selector !== undefined) throw invalid('Parameter name must not contain a version or a label.')
  checkName(name, parameterArn(ctx, name))
  const tags = tagsOf(input.Tags)
  for (;;) {
    const present = await ctx.read((tx) => findParameter(tx, name))
    checkRequest(input, present)
    const version = await nextVersion(ctx, input, name, present)
    const put = await ctx.write(async (tx) => {
      const latest = await findParameter(tx, name)
      // Somebody else wrote it while the value was encrypted: begin again.
      if (latest?.current.version !== present?.current.version) return undefined
      if (
        !latest &&
        (await tx.list(Parameter, { limit: MOST_STANDARD })).length >= MOST_STANDARD &&
        version.tier === 'Standard'
      )
        throw fail(
          'ParameterLimitExceeded',
          `You have exceeded the number of parameters for this AWS account. Delete one or more parameters and try again.`,
        )
      const versions = latest ? await versionsOf(tx, name) : []
      const [oldest] = versions
      if (oldest && versions.length >= MOST_VERSIONS) {
        if (latest && Object.values(latest.labels).includes(oldest.version))
          throw fail(
            'ParameterMaxVersionLimitExceeded',
            `You attempted to create a new version of ${name} by calling the PutParameter API with the overwrite flag. Version ${oldest.version}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.`,
          )
        tx.delete(ParameterVersion, keyOfVersion(oldest))
      }
      const parameter = tx.put(Parameter, {
        name,
        current: version,
        labels: latest?.labels ?? {},
        tags: latest?.tags ?? tags,
        ...(latest?.sharing ? { sharing: latest.sharing } : {}),
      })
      tx.put(ParameterVersion, { ...version, name })
      wakeFor(ctx, tx, parameter)
      changed(ctx, tx, parameter, latest ? 'Update' : 'Create')
      return parameter
    })
    if (put) return { Version: put.current.version, Tier: put.current.tier }
  }
}

const MOST_LABELS = 10
const labelText = /^(?!(aws|ssm))[A-Za-z_.-][A-Za-z0-9_.-]*$/i

/** A label is on one version at a time: it moves. What is no label is told, and is no error. */
export const LabelParameterVersion: Operation<'LabelParameterVersion'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { name } = parseName(ctx, input.Name)
    const parameter = await findParameter(tx, name)
    if (!parameter) throw fail('ParameterNotFound', `Parameter ${name} not found.`)
    const version = input.ParameterVersion ?? parameter.current.version
    if (!(await findVersion(tx, name, version)))
      throw fail(
        'ParameterVersionNotFound',
        `Systems Manager could not find version ${version} of ${name}. Verify the version and try again.`,
      )
    const good = input.Labels.filter((label) => labelText.test(label))
    const labels = { ...parameter.labels, ...Object.fromEntries(good.map((label) => [label, version])) }
    if (Object.values(labels).filter((of) => of === version).length > MOST_LABELS)
      throw fail(
        'ParameterVersionLabelLimitExceeded',
        `A parameter version can have a maximum of ${MOST_LABELS} labels.`,
      )
    const next = tx.put(Parameter, { ...parameter, labels })
    changed(ctx, tx, next, 'LabelParameterVersion')
    return { InvalidLabels: input.Labels.filter((label) => !good.includes(label)), ParameterVersion: version }
  })

export const UnlabelParameterVersion: Operation<'UnlabelParameterVersion'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { name } = parseName(ctx, input.Name)
    const parameter = await findParameter(tx, name)
    if (!parameter) throw fail('ParameterNotFound', `Parameter ${name} not found.`)
    if (!(await findVersion(tx, name, input.ParameterVersion)))
      throw fail(
        'ParameterVersionNotFound',
        `Systems Manager could not find version ${input.ParameterVersion} of ${name}. Verify the version and try again.`,
      )
    const removed = input.Labels.filter((label) => parameter.labels[label] === input.ParameterVersion)
    const labels = Object.fromEntries(Object.entries(parameter.labels).filter(([label]) => !removed.includes(label)))
    tx.put(Parameter, { ...parameter, labels })
    return { RemovedLabels: removed, InvalidLabels: input.Labels.filter((label) => !removed.includes(label)) }
  })
