import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { servicePrincipal } from '../../kernel/principal.ts'
import { parseSchedule } from '../../schedules/schedule.ts'
import type { WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { invalid, type Operation, refused } from './operation.ts'
import {
  getPrimary,
  moveStage,
  putSecret,
  type Rotation,
  Secret,
  type SecretRecord,
  secretArn,
  stageHolder,
} from './secret.ts'
import { defaultKey } from './value.ts'
import { versionId } from './versions.ts'

// "Rotate AWS Secrets Manager secrets": a function is called in four steps, each with the version that is being made.

const DAY = 86_400_000
const steps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const
/** How soon a step that failed is tried again, and how often, in milliseconds. */
const PAUSE = 60_000

/** Raises InvalidParameterException. */
const checkRules = (rules: RotationRulesType): RotationRulesType => {
  const { AutomaticallyAfterDays: days, ScheduleExpression: schedule, Duration } = rules
  if (days !== undefined && schedule !== undefined)
    throw invalid('You can only set either ScheduleExpression or AutomaticallyAfterDays.')
  if (schedule !== undefined && !parseSchedule(schedule)) throw invalid(`Invalid ScheduleExpression: ${schedule}.`)
  if (schedule !== undefined && /^rate\(.*minutes?\)$/.test(schedule)) throw invalid('A rate must be in hours or days.')
  if (schedule !== undefined && /^rate\([123] hours?\)$/.test(schedule))
    throw invalid('A secret can be rotated every four hours at most.')
  if (Duration !== undefined && !/^([1-9]|1\d|2[0-4])h$/.test(Duration)) throw invalid(`Invalid Duration: ${Duration}.`)
  return rules
}

/** When the next rotation is due; absent for a secret that is rotated only when asked. */
const nextOf = (
  { AutomaticallyAfterDays, ScheduleExpression }: RotationRulesType,
  since: number,
  now: number,
): { next?: number } => {
  if (AutomaticallyAfterDays !== undefined) return { next: now + AutomaticallyAfterDays * DAY }
  const next =
    ScheduleExpression === undefined
      ? undefined
      : parseSchedule(ScheduleExpression)?.next(new Date(now), new Date(since))
  return next ? { next: next.getTime() } : {}
}

const callFunction = async (
  ctx: Ctx,
  lambda: string,
  secret: SecretRecord,
  payload: object | undefined,
): Promise<string | undefined> => {
  const caller = ctx.as(servicePrincipal('secretsmanager.amazonaws.com'), {
    context: { 'aws:SourceArn': [secretArn(secret)], 'aws:SourceAccount': [secret.account] },
  })
  try {
    const answer = await caller.lambda.invoke({
      FunctionName: lambda,
      ...(payload === undefined ? { InvocationType: 'DryRun' } : { Payload: Buffer.from(JSON.stringify(payload)) }),
    })
    return answer.FunctionError === undefined ? undefined : `the function failed: ${answer.FunctionError}`
  } catch (error) {
    if (error instanceof AwsError) return error.message
    throw error
  }
}

/** Raises AccessDeniedException: the function is not there, or does not let Secrets Manager call it. */
const checkFunction = async (ctx: Ctx, secret: SecretRecord, lambda: string): Promise<void> => {
  if ((await callFunction(ctx, lambda, secret, undefined)) !== undefined)
    throw new AwsError(
      'AccessDeniedException',
      'Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.',
      { status: 400 },
    )
}

const wake = (ctx: Pick<Ctx, 'now'>, tx: WriteTx, { name, rotation }: SecretRecord): void => {
  if (rotation?.pending) tx.wake('secretsmanager.rotation', name)
  else if (rotation?.enabled && rotation.next !== undefined)
    tx.wake('secretsmanager.rotation', name, { in: Math.max(0, rotation.next - ctx.now().getTime()) })
}

/** A version that the function is to fill, marked AWSPENDING. */
const begin = (ctx: Pick<Ctx, 'now'>, secret: SecretRecord & { rotation: Rotation }, token: string): SecretRecord => {
  const versions = {
    ...secret.versions,
    [token]: secret.versions[token] ?? { stages: [], created: ctx.now().getTime(), keyId: secret.keyId ?? defaultKey },
  }
  return {
    ...secret,
    versions: moveStage(versions, 'AWSPENDING', token),
    rotation: { ...secret.rotation, pending: { token, step: 0 } },
  }
}

/** Turns rotation on, and rotates at once unless told to wait for the schedule. */
export const RotateSecret: Operation<'RotateSecret'> = async (ctx, input) => {
  if (input.ExternalSecretRotationMetadata !== undefined || input.ExternalSecretRotationRoleArn !== undefined)
    throw notImplemented('rotation of managed external secrets')
  const token = versionId(ctx, input.ClientRequestToken)
  const rules = input.RotationRules && checkRules(input.RotationRules)
  const seen = await ctx.read((tx) => getPrimary(tx, ctx.place, input.SecretId))
  const lambda = input.RotationLambdaARN ?? seen.rotation?.lambda
  if (lambda === undefined) throw refused('No Lambda rotation function ARN is associated with this secret.')
  if (rules === undefined && seen.rotation === undefined)
    throw invalid('You must specify RotationRules when you turn on rotation.')
  await checkFunction(ctx, seen, lambda)
  const immediately = input.RotateImmediately ?? true
  const secret = await ctx.write(async (tx) => {
    const found = await getPrimary(tx, ctx.place, input.SecretId)
    if (found.rotation?.pending && immediately)
      throw refused('A previous rotation isn’t complete. That rotation will be reattempted.')
    const now = ctx.now().getTime()
    const chosen = rules ?? found.rotation?.rules ?? {}
    const since = rules ? now : (found.rotation?.since ?? now)
    const { next: _, ...former } = found.rotation ?? { lambda, rules: chosen, enabled: true, since }
    const rotation: Rotation = { ...former, lambda, rules: chosen, enabled: true, since, ...nextOf(chosen, since, now) }
    const on = { ...found, rotation }
    const put = await putSecret(tx, immediately ? begin(ctx, on, token) : on)
    wake(ctx, tx, put)
    return put
  })
  return { ARN: secretArn(secret), Name: secret.name, ...(immediately ? { VersionId: token } : {}) }
}

/** Turns rotation off; what a rotation has made so far stays, under AWSPENDING. */
export const CancelRotateSecret: Operation<'CancelRotateSecret'> = async (ctx, { SecretId }) => {
  const { secret, pending } = await ctx.write(async (tx) => {
    const found = await getPrimary(tx, ctx.place, SecretId)
    if (!found.rotation?.enabled) throw refused("Rotation isn't enabled for this secret.")
    const { next: _, pending: underWay, ...rotation } = found.rotation
    const put = await putSecret(tx, { ...found, rotation: { ...rotation, enabled: false } })
    return { secret: put, pending: underWay }
  })
  return { ARN: secretArn(secret), Name: secret.name, ...(pending ? { VersionId: pending.token } : {}) }
}

const emit = (ctx: Ctx, tx: WriteTx, secret: SecretRecord, eventName: string, detail: object = {}): void =>
  tx.emit({
    source: 'aws.secretsmanager',
    'detail-type': 'AWS Service Event via CloudTrail',
    account: secret.account,
    region: secret.region,
    resources: [],
    detail: {
      eventSource: 'secretsmanager.amazonaws.com',
      eventName,
      eventType: 'AwsServiceEvent',
      awsRegion: ctx.region,
      additionalEventData: { SecretId: secretArn(secret), ...detail },
    },
  })

/** The version that a rotation made is current now: the rotation is over, and the next one is due by the rules. */
const finish = async (ctx: Ctx, name: string, token: string) =>
  ctx.write(async (tx) => {
    const secret = await tx.get(Secret, name)
    if (!secret?.rotation || secret.rotation.pending?.token !== token) return done()
    const { pending: _, next: __, ...rotation } = secret.rotation
    if (stageHolder(secret, 'AWSCURRENT') !== token) {
      emit(ctx, tx, secret, 'RotationFailed')
      return again({ in: PAUSE })
    }
    const now = ctx.now().getTime()
    const versions = moveStage(secret.versions, 'AWSPENDING', undefined)
    const over = { ...rotation, last: now, ...nextOf(rotation.rules, rotation.since, now) }
    const put = await putSecret(tx, { ...secret, versions, rotation: over })
    emit(ctx, tx, put, 'RotationSucceeded')
    return over.next === undefined ? done() : again({ in: over.next - now })
  })

/** Begins a rotation that is due, or takes the next step of the one under way. */
export const rotation: Reconciler = {
  name: 'secretsmanager.rotation',
  step: async (ctx, name) => {
    const secret = await ctx.read((tx) => tx.get(Secret, name))
    const present = secret?.rotation
    if (!secret || !present || secret.deletion) return done()
    const now = ctx.now().getTime()
    if (!present.pending) {
      if (!present.enabled || present.next === undefined) return done()
      if (present.next > now) return again({ in: present.next - now })
      await ctx.write(async (tx) => {
        const latest = await tx.get(Secret, name)
        if (!latest?.rotation || latest.rotation.pending) return
        emit(ctx, tx, latest, 'RotationStarted')
        await putSecret(tx, begin(ctx, { ...latest, rotation: latest.rotation }, ctx.newId()))
      })
      return again({ in: 0 })
    }
    const { token, step } = present.pending
    const Step = steps[step]
    if (Step === undefined) return finish(ctx, name, token)
    const failure = await callFunction(ctx, present.lambda, secret, {
      Step,
      SecretId: secretArn(secret),
      ClientRequestToken: token,
    })
    if (failure !== undefined) {
      ctx.log.warn('a secret could not be rotated', { secret: secret.name, step: Step, why: failure })
      await ctx.write(async (tx) => emit(ctx, tx, secret, 'RotationFailed', { Step }))
      return again({ in: PAUSE })
    }
    return ctx.write(async (tx) => {
      const latest = await tx.get(Secret, name)
      if (latest?.rotation?.pending?.token !== token) return done()
      await putSecret(tx, { ...latest, rotation: { ...latest.rotation, pending: { token, step: step + 1 } } })
      return again({ in: 0 })
    })
  },
}
