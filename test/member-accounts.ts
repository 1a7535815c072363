import {
  CreateAccountCommand,
  DescribeCreateAccountStatusCommand,
  OrganizationsClient,
} from '@aws-sdk/client-organizations'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import type { Keys, Story } from './story.ts'

// What stories about several accounts begin with.

/** A new member account of the default account's organization. Returns its number. */
export const createAccount = async (drydock: Story, name: string): Promise<string> => {
  const organizations = drydock.client(OrganizationsClient)
  const asked = await organizations.send(new CreateAccountCommand({ AccountName: name, Email: `${name}@example.com` }))
  await drydock.settled()
  const { CreateAccountStatus: status } = await organizations.send(
    new DescribeCreateAccountStatusCommand({ CreateAccountRequestId: asked.CreateAccountStatus?.Id }),
  )
  if (status?.State !== 'SUCCEEDED') throw new Error(`The account ${name} was not made: ${status?.FailureReason}`)
  return status.AccountId ?? ''
}

/** The keys of a session of OrganizationAccountAccessRole in a member account. */
export const enter = async (drydock: Story, keys: Keys, account: string): Promise<Keys> => {
  const { Credentials } = await drydock.client(STSClient, keys).send(
    new AssumeRoleCommand({
      RoleArn: `arn:aws:iam::${account}:role/OrganizationAccountAccessRole`,
      RoleSessionName: 'visitor',
    }),
  )
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}
