import type { CreateAccountStatus } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { rootOf } from '../../kernel/principal.ts'
import type { WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { join, mostAccounts } from './accounts.ts'
import { asManagement, asReader } from './caller.ts'
import { newId } from './ids.ts'
import { makeLinkedRole } from './linked-role.ts'
import { fail, invalid, type Operation, violates } from './operation.ts'
import { pageOf } from './page.ts'
import { Accounts, type CreationRecord, Creations, change, Organizations } from './records.ts'
import { recordServiceEvent, type ServiceEvent } from './service-event.ts'
import { withTags } from './tags.ts'
import { membersOf } from './tree.ts'

const toStatus = (creation: CreationRecord): CreateAccountStatus => ({
  Id: creation.id,
  AccountName: creation.name,
  State: creation.state,
  RequestedTimestamp: new Date(creation.requested),
  ...(creation.completed === undefined ? {} : { CompletedTimestamp: new Date(creation.completed) }),
  ...(creation.state === 'SUCCEEDED' ? { AccountId: creation.account } : {}),
  ...(creation.reason === undefined ? {} : { FailureReason: creation.reason }),
})

/** Only asks; what comes of it says DescribeCreateAccountStatus. */
export const CreateAccount: Operation<'CreateAccount'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const organization = await asManagement(tx, ctx)
    if (input.RoleName?.startsWith('AWSServiceRoleFor'))
      throw invalid(
        'INVALID_ROLE_NAME',
        "You provided a role name that isn't valid. A role name can't begin with the reserved prefix AWSServiceRoleFor.",
      )
    const creation = tx.put(Creations, {
      id: newId.creation(ctx),
      organization: organization.id,
      management: organization.management,
      email: input.Email,
      name: input.AccountName,
      role: input.RoleName ?? 'OrganizationAccountAccessRole',
      tags: withTags({}, input.Tags),
      state: 'IN_PROGRESS',
      requested: ctx.now().getTime(),
      event: ctx.newId(),
      recorded: false,
    })
    tx.wake(creator.name, creation.id)
    return { CreateAccountStatus: toStatus(creation) }
  })

/** There is no AWS GovCloud (US) here, so that no account is paired with one: AWS's own refusal. */
export const CreateGovCloudAccount: Operation<'CreateGovCloudAccount'> = (ctx) =>
  ctx.read(async (tx) => {
    await asManagement(tx, ctx)
    throw violates(
      'MASTER_ACCOUNT_NOT_GOVCLOUD_ENABLED',
      'To complete this operation, the management account must have an associated account in the AWS GovCloud (US-West) Region.',
    )
  })

export const DescribeCreateAccountStatus: Operation<'DescribeCreateAccountStatus'> = (
  ctx,
  { CreateAccountRequestId },
) =>
  ctx.read(async (tx) => {
    const { id } = await asReader(tx, ctx)
    const creation = await tx.get(Creations, CreateAccountRequestId)
    if (creation?.organization !== id)
      throw fail('CreateAccountStatusNotFoundException', "You specified a request that doesn't exist.")
    return { CreateAccountStatus: toStatus(creation) }
  })

export const ListCreateAccountStatus: Operation<'ListCreateAccountStatus'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { id } = await asReader(tx, ctx)
    const creations = await tx.list(Creations, { index: 'organization', equals: id })
    const kept = creations.filter(({ state }) => !input.States?.length || input.States.includes(state))
    const { page, NextToken } = pageOf(kept, (creation) => creation.id, input)
    return { CreateAccountStatuses: page.map(toStatus), NextToken }
  })

/** "The rules for a valid email address" (CreateAccount). */
const isEmail = (email: string): boolean =>
  /^[^\s"'()<>[\]:;,\\|%&@.][^\s"'()<>[\]:;,\\|%&@]*@[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z0-9.-]*[A-Za-z0-9]$/.test(
    email,
  ) && [...email].every((character) => character <= '\u007f')

const eventOf = (creation: CreationRecord): ServiceEvent => ({
  id: creation.event,
  account: creation.management,
  name: 'CreateAccountResult',
  time: creation.completed ?? creation.requested,
  details: {
    createAccountStatus: {
      id: creation.id,
      state: creation.state,
      accountName: '****',
      ...(creation.state === 'SUCCEEDED' ? { accountId: creation.account } : {}),
      ...(creation.reason === undefined ? {} : { failureReason: creation.reason }),
      requestedTimestamp: inWords(creation.requested),
      completedTimestamp: inWords(creation.completed ?? creation.requested),
    },
  },
})

/** As CloudTrail writes it there: "Aug 30, 2018 9:42:14 PM". */
const inWords = (time: number): string =>
  new Intl.DateTimeFormat('en-US', { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })
    .format(new Date(time))
    .replace(/, (\d+:)/, ' $1')
    .replace('\u202f', ' ')

const finish = (
  tx: WriteTx,
  ctx: Ctx,
  creation: CreationRecord,
  outcome: { readonly state: 'SUCCEEDED' } | { readonly state: 'FAILED'; readonly reason: CreationRecord['reason'] },
): void => {
  tx.put(Creations, { ...creation, ...outcome, completed: ctx.now().getTime() })
}

/** Gives the request a number of its own, or ends it where it cannot be met. */
const admit = (ctx: Ctx, id: string): Promise<CreationRecord | undefined> =>
  change(ctx, async (tx) => {
    const creation = await tx.get(Creations, id)
    const organization = creation && (await tx.get(Organizations, creation.organization))
    if (!creation || !organization || creation.state !== 'IN_PROGRESS') return creation
    const reason = !isEmail(creation.email)
      ? 'INVALID_EMAIL'
      : (await tx.list(Accounts, { index: 'email', equals: creation.email.toLowerCase(), limit: 1 })).length > 0
        ? 'EMAIL_ALREADY_EXISTS'
        : (await membersOf(tx, organization)).length >= mostAccounts
          ? 'ACCOUNT_LIMIT_EXCEEDED'
          : undefined
    if (reason) finish(tx, ctx, creation, { state: 'FAILED', reason })
    else if (creation.account === undefined) {
      let account = newId.account(ctx)
      while (await tx.get(Accounts, account)) account = newId.account(ctx)
      tx.put(Creations, { ...creation, account })
    }
    return tx.get(Creations, id)
  })

const alreadyThere = (thrown: unknown): boolean =>
  thrown instanceof AwsError && thrown.code.startsWith('EntityAlreadyExists')

/** What AWS prepares in the new account: its service-linked role, and the role by which its owner comes in. */
const prepare = async (ctx: Ctx, account: string, { management, role }: CreationRecord): Promise<void> => {
  const caller = ctx.as(rootOf(account), { account, region: 'us-east-1' })
  await makeLinkedRole(caller)
  try {
    await caller.iam.createRole({
      RoleName: role,
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${management}:root` }, Action: 'sts:AssumeRole' },
        ],
      }),
    })
  } catch (thrown) {
    if (!alreadyThere(thrown)) throw thrown
  }
  await caller.iam.attachRolePolicy({ RoleName: role, PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' })
}

/** Makes accounts that were asked for. Each step may run again: number, roles, membership, record. */
export const creator: Reconciler = {
  name: 'organizations.creation',
  step: async (ctx, id) => {
    const creation = await admit(ctx, id)
    if (!creation) return done()
    if (creation.state === 'IN_PROGRESS') {
      if (creation.account === undefined) return done()
      await prepare(ctx, creation.account, creation)
      await change(ctx, (tx) => enter(tx, ctx, id))
      return again({ in: 0 })
    }
    if (creation.recorded) return done()
    await recordServiceEvent(ctx, eventOf(creation))
    await ctx.write(async (tx) => {
      tx.put(Creations, { ...creation, recorded: true })
    })
    return done()
  },
}

const enter = async (tx: WriteTx, ctx: Ctx, id: string): Promise<void> => {
  const creation = await tx.get(Creations, id)
  const organization = creation && (await tx.get(Organizations, creation.organization))
  if (!creation?.account || !organization || creation.state !== 'IN_PROGRESS') return
  // Another request may have taken the address meanwhile.
  if ((await tx.list(Accounts, { index: 'email', equals: creation.email.toLowerCase(), limit: 1 })).length > 0)
    return finish(tx, ctx, creation, { state: 'FAILED', reason: 'EMAIL_ALREADY_EXISTS' })
  const { account, email, name, tags } = creation
  const made = { id: account, email, name, created: ctx.now().getTime(), state: 'ACTIVE' as const }
  await join(tx, ctx, organization, made, { method: 'CREATED', tags })
  finish(tx, ctx, creation, { state: 'SUCCEEDED' })
}
