import { auditRecord, auditStream } from '../../kernel/audit.ts'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { identity } from '../../kernel/identity.ts'
import type { Place } from '../../store/store.ts'

// A build's clone is the `GitPull` of a git client to CodeCommit, and recorded as one (CodeCommit user guide, "Logging AWS
// CodeCommit API calls with AWS CloudTrail").

const action = 'codecommit:GitPull'
const arnOf = ({ account, region }: Place, repository: string) =>
  `arn:aws:codecommit:${region}:${account}:${repository}`

/** Records a clone that was made, or refused with `error`. */
export const recordPull = async (
  ctx: Ctx,
  role: Caller,
  place: Place,
  repository: string,
  error?: AwsError,
): Promise<void> => {
  const now = ctx.now()
  const body = auditRecord({
    principal: await role.principal(),
    ...place,
    now,
    eventSource: 'codecommit.amazonaws.com',
    eventName: 'GitPull',
    request: { ...ctx.request, id: ctx.newId() },
    readOnly: true,
    dataEvent: false,
    requestParameters: null,
    responseElements: undefined,
    resources: [arnOf(place, repository)],
    additionalEventData: { protocol: 'HTTP', dataTransferred: error === undefined, repositoryName: repository },
    error,
  })
  await ctx.append.append(auditStream(place.account, place.region), [{ time: now.getTime(), body }])
}

/** Throws AccessDenied unless the build's role may clone the repository. */
export const authorizePull = async (ctx: Ctx, role: Caller, place: Place, repository: string): Promise<void> => {
  ctx.use(identity).used(await role.principal(), { action, region: place.region, tracked: true })
  try {
    await role.authorize(action, arnOf(place, repository))
  } catch (error) {
    if (error instanceof AwsError) await recordPull(ctx, role, place, repository, error)
    throw error
  }
}
