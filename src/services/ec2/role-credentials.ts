import type { Ctx } from '../../kernel/context.ts'
import { identity } from '../../kernel/identity.ts'
import { servicePrincipal } from '../../kernel/principal.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { instanceProfiles } from '../capabilities.ts'
import type { Instance } from './instance.ts'

/** The version of the metadata service by which credentials were fetched: `ec2:RoleDelivery`. */
export type RoleDelivery = '1.0' | '2.0'

/** The credentials an instance has now, sealed: whoever asks in it gets the same ones until they are renewed. */
type RoleCredentials = {
  readonly instanceId: string
  readonly delivery: RoleDelivery
  readonly roleArn: string
  readonly sealed: string
  /** Epoch milliseconds. */
  readonly expires: number
}
export const RoleCredentials = table<RoleCredentials>('ec2.role-credentials', {
  scope: 'region',
  key: ({ instanceId, delivery }) => `${instanceId} ${delivery}`,
})

export const forgetCredentials = (tx: WriteTx, instanceId: string): void => {
  for (const delivery of ['1.0', '2.0']) tx.delete(RoleCredentials, `${instanceId} ${delivery}`)
}

const lifeSeconds = 6 * 3600
/** New ones are there well before the old ones expire ("Retrieve security credentials from instance metadata"). */
const renewBefore = 3_600_000

/** The role in the instance's profile, as it is now. */
export const roleOf = async (ctx: Ctx, { profile }: Instance): Promise<string | undefined> =>
  profile && (await ctx.use(instanceProfiles).find(ctx.place, profile.arn))?.roleArn

export const roleName = (roleArn: string): string => roleArn.split('/').at(-1) ?? ''

const seconds = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`

/** The document at `iam/security-credentials/ROLE`: temporary credentials, or why there are none. */
export const credentialsDocument = async (
  ctx: Ctx,
  instance: Instance,
  roleArn: string,
  delivery: RoleDelivery,
): Promise<string> => {
  const kept = await ctx.read((tx) => tx.get(RoleCredentials, `${instance.id} ${delivery}`))
  if (kept?.roleArn === roleArn && kept.expires - ctx.now().getTime() > renewBefore) return ctx.unseal(kept.sealed)
  try {
    const principal = await ctx.use(identity).assume({
      roleArn,
      sessionName: instance.id,
      by: servicePrincipal('ec2.amazonaws.com'),
      durationSeconds: lifeSeconds,
      sessionContext: {
        'ec2:SourceInstanceArn': [ctx.arn(`instance/${instance.id}`)],
        'ec2:RoleDelivery': [delivery],
        'aws:Ec2InstanceSourceVpc': [instance.vpcId],
        'aws:Ec2InstanceSourcePrivateIPv4': [instance.privateIp],
      },
    })
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = ctx.issue(principal)
    const document = JSON.stringify(
      {
        Code: 'Success',
        LastUpdated: seconds(ctx.now()),
        Type: 'AWS-HMAC',
        AccessKeyId: accessKeyId,
        SecretAccessKey: secretAccessKey,
        Token: sessionToken,
        Expiration: seconds(expiration),
      },
      null,
      2,
    )
    const sealed = ctx.seal(document)
    await ctx.write(async (tx) => {
      tx.put(RoleCredentials, { instanceId: instance.id, delivery, roleArn, sealed, expires: expiration.getTime() })
    })
    return document
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    ctx.log.warn('an instance has no credentials', { instance: instance.id, why })
    const Message = `EC2 cannot assume the role ${roleName(roleArn)}. Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc.`
    return JSON.stringify({ Code: 'AssumeRoleUnauthorizedAccess', Message, LastUpdated: seconds(ctx.now()) }, null, 2)
  }
}

/** The document at `iam/info`. */
export const profileDocument = (ctx: Ctx, { arn, id }: NonNullable<Instance['profile']>): string =>
  JSON.stringify(
    { Code: 'Success', LastUpdated: seconds(ctx.now()), InstanceProfileArn: arn, InstanceProfileId: id },
    null,
    2,
  )
