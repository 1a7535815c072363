import { auditRecord, auditStream } from '../../../kernel/audit.ts'
import type { Caller, Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { identity } from '../../../kernel/identity.ts'
import type { Place } from '../../../store/store.ts'

// What CodeCommit does for CodePipeline alone: permissions without an operation that anybody else could call ("CodeCommit
// permissions reference", CodeCommit user guide). The archive is asked for, and then how far it is.

const names = ['UploadArchive', 'GetUploadArchiveStatus'] as const

/** Throws AccessDenied unless the role may have the commit's archive; CloudTrail hears of it as of any call. */
export const authorizeArchive = async (
  ctx: Ctx,
  role: Caller,
  place: Place,
  repositoryName: string,
  commitId: string,
): Promise<void> => {
  const principal = await role.principal()
  const resource = `arn:aws:codecommit:${place.region}:${place.account}:${repositoryName}`
  for (const eventName of names) {
    const action = `codecommit:${eventName}`
    ctx.use(identity).used(principal, { action, region: place.region, tracked: true })
    const error = await role.authorize(action, resource).then(
      () => undefined,
      (thrown: unknown) => {
        if (thrown instanceof AwsError) return thrown
        throw thrown
      },
    )
    const now = ctx.now()
    const body = auditRecord({
      principal,
      ...place,
      now,
      eventSource: 'codecommit.amazonaws.com',
      eventName,
      request: { ...ctx.request, id: ctx.newId() },
      readOnly: true,
      dataEvent: false,
      requestParameters: { repositoryName, ...(eventName === 'UploadArchive' ? { commitId } : {}) },
      responseElements: undefined,
      resources: [resource],
      error,
    })
    await ctx.append.append(auditStream(place.account, place.region), [{ time: now.getTime(), body }])
    if (error) throw error
  }
}
