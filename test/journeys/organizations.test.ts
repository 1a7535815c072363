import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/work/clock.ts'
import { type Story, story } from '../story.ts'
import { clientEnvironment, hasCli, run } from './clients.ts'

// Several accounts with a client that no one here wrote: the AWS CLI and its profiles.

const cli = await hasCli('Organizations')

let drydock: Story
let folder: string
let environment: Record<string, string | undefined>
beforeAll(async () => {
  // The CLI holds the end of a session against the clock of this machine.
  drydock = await story({ clock: systemClock() })
  folder = mkdtempSync(join(tmpdir(), 'drydock-organizations-journey-'))
  environment = {
    ...clientEnvironment(drydock, folder),
    AWS_CONFIG_FILE: join(folder, 'config'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
  }
  writeFileSync(
    join(folder, 'credentials'),
    `[root]\naws_access_key_id = ${drydock.root.accessKeyId}\naws_secret_access_key = ${drydock.root.secretAccessKey}\n`,
  )
})
afterAll(async () => {
  await drydock.close()
  rmSync(folder, { recursive: true, force: true })
})

const aws = async (profile: string, ...args: string[]) => {
  const { stdout } = await run('aws', [...args, '--profile', profile, '--output', 'json'], {
    env: environment,
    cwd: folder,
  })
  return stdout.trim() === '' ? undefined : JSON.parse(stdout)
}
const organizations = (operation: string, ...args: string[]) => aws('root', 'organizations', operation, ...args)
const complaint = async (profile: string, ...args: string[]): Promise<string> => {
  try {
    await aws(profile, ...args)
  } catch (error) {
    return String((error as { stderr?: string }).stderr ?? error).trim()
  }
  throw new Error(`aws ${args.join(' ')} succeeded`)
}
const file = (name: string, content: object): string => {
  writeFileSync(join(folder, name), JSON.stringify(content))
  return `file://${name}`
}

const deny = (statement: object) => ({ Version: '2012-10-17', Statement: { Effect: 'Deny', ...statement } })

test.runIf(cli)(
  'an organization, an account for dev, the way into it, and what control policies make of it',
  { timeout: 180_000 },
  async () => {
    const { Organization } = await organizations('create-organization')
    expect(Organization.MasterAccountId).toBe('000000000000')
    const { Roots } = await organizations('list-roots')
    const [root] = Roots
    const { Root } = await organizations(
      'enable-policy-type',
      ...['--root-id', root.Id, '--policy-type', 'SERVICE_CONTROL_POLICY'],
    )
    expect(Root.PolicyTypes).toEqual([{ Type: 'SERVICE_CONTROL_POLICY', Status: 'ENABLED' }])
    const { OrganizationalUnit: unit } = await organizations(
      'create-organizational-unit',
      ...['--parent-id', root.Id, '--name', 'Development', '--tags', 'Key=team,Value=web'],
    )

    const { CreateAccountStatus: asked } = await organizations(
      'create-account',
      ...['--account-name', 'dev', '--email', 'dev@example.com'],
    )
    expect(asked.State).toBe('IN_PROGRESS')
    await drydock.settled()
    const { CreateAccountStatus: made } = await organizations(
      'describe-create-account-status',
      ...['--create-account-request-id', asked.Id],
    )
    expect(made.State).toBe('SUCCEEDED')
    const dev: string = made.AccountId
    await organizations(
      'move-account',
      ...['--account-id', dev, '--source-parent-id', root.Id, '--destination-parent-id', unit.Id],
    )
    const { Accounts } = await organizations('list-accounts-for-parent', '--parent-id', unit.Id)
    expect(Accounts.map(({ Name, State }: { Name: string; State: string }) => [Name, State])).toEqual([
      ['dev', 'ACTIVE'],
    ])

    // Ana of the management account has a profile that comes into dev.
    await aws('root', 'iam', 'create-user', '--user-name', 'ana')
    await aws(
      'root',
      ...['iam', 'put-user-policy', '--user-name', 'ana', '--policy-name', 'dev', '--policy-document'],
      file('ana.json', {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Action: 'sts:AssumeRole',
            Resource: `arn:aws:iam::${dev}:role/OrganizationAccountAccessRole`,
          },
        ],
      }),
    )
    const { AccessKey } = await aws('root', 'iam', 'create-access-key', '--user-name', 'ana')
    writeFileSync(
      join(folder, 'credentials'),
      `${readFileSync(join(folder, 'credentials'), 'utf8')}[ana]\naws_access_key_id = ${AccessKey.AccessKeyId}\naws_secret_access_key = ${AccessKey.SecretAccessKey}\n`,
    )
    writeFileSync(
      join(folder, 'config'),
      `[profile dev]\nrole_arn = arn:aws:iam::${dev}:role/OrganizationAccountAccessRole\nsource_profile = ana\nrole_session_name = ana\n`,
    )
    expect((await aws('dev', 'sts', 'get-caller-identity')).Account).toBe(dev)
    // A member sees its organization, and not what is in it.
    const { Organization: seen } = await aws('dev', 'organizations', 'describe-organization')
    expect(seen.Id).toBe(Organization.Id)
    expect(await complaint('dev', 'organizations', 'list-accounts')).toMatch(
      /\(AccessDeniedException\) when calling the ListAccounts operation: You don't have permissions to access this resource\.$/,
    )

    const { Policy } = await organizations(
      'create-policy',
      ...['--name', 'no-buckets', '--description', 'Buckets come from elsewhere', '--type', 'SERVICE_CONTROL_POLICY'],
      ...['--content', file('scp.json', deny({ Action: 's3:CreateBucket', Resource: '*' }))],
    )
    const target = ['--policy-id', Policy.PolicySummary.Id, '--target-id', unit.Id]
    await organizations('attach-policy', ...target)
    expect(await complaint('dev', 's3api', 'create-bucket', '--bucket', 'dev-artifacts')).toContain(
      'is not authorized to perform: s3:CreateBucket on resource: "arn:aws:s3:::dev-artifacts" with an explicit deny in a service control policy',
    )
    await organizations('detach-policy', ...target)
    await aws('dev', 's3api', 'create-bucket', '--bucket', 'dev-artifacts')

    expect(
      await complaint('root', 'organizations', 'detach-policy', '--policy-id', 'p-FullAWSAccess', '--target-id', dev),
    ).toContain(
      '(ConstraintViolationException) when calling the DetachPolicy operation: You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.',
    )
  },
)
