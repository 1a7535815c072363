import type { PasswordPolicy } from '@aws-sdk/client-iam'
import type { PolicyDocument } from '../../policy/policy.ts'
import { PasswordPolicies, type PasswordPolicyRecord } from './credential-records.ts'
import { fail, type Operation } from './operation.ts'

const toPolicy = (policy: PasswordPolicyRecord): PasswordPolicy => ({
  MinimumPasswordLength: policy.minimumLength,
  RequireSymbols: policy.symbols,
  RequireNumbers: policy.numbers,
  RequireUppercaseCharacters: policy.uppercase,
  RequireLowercaseCharacters: policy.lowercase,
  AllowUsersToChangePassword: policy.usersMayChange,
  ExpirePasswords: policy.maxAge !== undefined,
  ...(policy.maxAge === undefined ? {} : { MaxPasswordAge: policy.maxAge }),
  ...(policy.reusePrevention === undefined ? {} : { PasswordReusePrevention: policy.reusePrevention }),
  ...(policy.hardExpiry === undefined ? {} : { HardExpiry: policy.hardExpiry }),
})

const missing = (account: string) =>
  fail('NoSuchEntityException', `The Password Policy with domain name ${account} cannot be found.`)

const GetAccountPasswordPolicy: Operation<'GetAccountPasswordPolicy'> = async (ctx) => {
  const policy = await ctx.read((tx) => tx.get(PasswordPolicies, 'policy'))
  if (!policy) throw missing(ctx.account)
  return { PasswordPolicy: toPolicy(policy) }
}

/** What is not given goes back to its default. Passwords that are set already are not looked at again. */
const UpdateAccountPasswordPolicy: Operation<'UpdateAccountPasswordPolicy'> = async (ctx, input) => {
  await ctx.write(async (tx) => {
    tx.put(PasswordPolicies, {
      minimumLength: input.MinimumPasswordLength ?? 6,
      symbols: input.RequireSymbols ?? false,
      numbers: input.RequireNumbers ?? false,
      uppercase: input.RequireUppercaseCharacters ?? false,
      lowercase: input.RequireLowercaseCharacters ?? false,
      usersMayChange: input.AllowUsersToChangePassword ?? false,
      ...(input.MaxPasswordAge === undefined ? {} : { maxAge: input.MaxPasswordAge }),
      ...(input.PasswordReusePrevention === undefined ? {} : { reusePrevention: input.PasswordReusePrevention }),
      ...(input.HardExpiry === undefined ? {} : { hardExpiry: input.HardExpiry }),
    })
  })
  return {}
}

const DeleteAccountPasswordPolicy: Operation<'DeleteAccountPasswordPolicy'> = async (ctx) => {
  await ctx.write(async (tx) => {
    if (!(await tx.get(PasswordPolicies, 'policy'))) throw missing(ctx.account)
    tx.delete(PasswordPolicies, 'policy')
  })
  return {}
}

/**
 * What a policy that allows users to change their passwords grants each of them, on himself (IAM user guide, "Permit IAM
 * users to change their own passwords").
 */
export const selfService: PolicyDocument = {
  Version: '2012-10-17',
  Statement: {
    Effect: 'Allow',
    Principal: '*',
    Action: ['iam:ChangePassword', 'iam:GetAccountPasswordPolicy'],
    Resource: '*',
  },
}

export const passwordPolicy = { GetAccountPasswordPolicy, UpdateAccountPasswordPolicy, DeleteAccountPasswordPolicy }
