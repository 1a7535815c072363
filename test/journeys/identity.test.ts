import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TOTP } from 'otpauth'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/work/clock.ts'
import { oidcIssuer } from '../oidc-issuer.ts'
import { allow, type Story, story } from '../story.ts'
import { clientEnvironment, hasBoto3, hasCli, run } from './clients.ts'

// IAM and STS with clients that no one here wrote: the AWS CLI with profiles, and boto3.

const cli = await hasCli('IAM and STS')
const boto3 = await hasBoto3('IAM and STS')

const account = '000000000000'
let drydock: Story
let folder: string
let environment: Record<string, string | undefined>
beforeAll(async () => {
  // The CLI holds the end of a session against the clock of this machine.
  drydock = await story({ clock: systemClock() })
  folder = mkdtempSync(join(tmpdir(), 'drydock-identity-journey-'))
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

const aws = async (profile: string, ...args: string[]): Promise<string> =>
  (await run('aws', [...args, '--profile', profile], { env: environment, cwd: folder })).stdout.trim()
const awsFails = async (profile: string, ...args: string[]): Promise<string> => {
  try {
    await aws(profile, ...args)
  } catch (error) {
    return String((error as { stderr?: string }).stderr ?? error)
  }
  throw new Error(`aws ${args.join(' ')} succeeded`)
}

test.runIf(cli)('a user, a role and a profile that assumes it, with the AWS CLI', { timeout: 120_000 }, async () => {
  await aws('root', 'iam', 'create-user', '--user-name', 'dora')
  const key = await aws(
    'root',
    ...['iam', 'create-access-key', '--user-name', 'dora', '--output', 'text'],
    ...['--query', 'AccessKey.[AccessKeyId,SecretAccessKey]'],
  )
  const [id, secret] = key.split(/\s+/)
  const trust = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${account}:user/dora` },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'sts:ExternalId': 'ship' } },
      },
    ],
  }
  const role = await aws(
    'root',
    ...['iam', 'create-role', '--role-name', 'deployer', '--assume-role-policy-document', JSON.stringify(trust)],
    ...['--query', 'Role.Arn', '--output', 'text'],
  )
  await aws(
    'root',
    ...['iam', 'attach-role-policy', '--role-name', 'deployer'],
    ...['--policy-arn', 'arn:aws:iam::aws:policy/IAMReadOnlyAccess'],
  )
  writeFileSync(
    join(folder, 'config'),
    `[profile dora]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n` +
      `[profile deployer]\nrole_arn = ${role}\nsource_profile = dora\nexternal_id = ship\nrole_session_name = friday\n` +
      `[profile stranger]\nrole_arn = ${role}\nsource_profile = dora\nrole_session_name = friday\n`,
  )
  expect(await awsFails('dora', 'iam', 'list-users')).toContain(
    `User: arn:aws:iam::${account}:user/dora is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::${account}:user/ because no identity-based policy allows the iam:ListUsers action`,
  )
  expect(await aws('deployer', 'sts', 'get-caller-identity', '--query', 'Arn', '--output', 'text')).toBe(
    `arn:aws:sts::${account}:assumed-role/deployer/friday`,
  )
  expect(await aws('deployer', 'iam', 'list-users', '--query', 'Users[].UserName', '--output', 'text')).toContain(
    'dora',
  )
  expect(await awsFails('deployer', 'iam', 'delete-user', '--user-name', 'dora')).toContain('iam:DeleteUser')
  expect(await awsFails('stranger', 'iam', 'list-users')).toContain(
    `(AccessDenied) when calling the AssumeRole operation: User: arn:aws:iam::${account}:user/dora is not authorized to perform: sts:AssumeRole on resource: ${role}`,
  )
})

test.runIf(cli)(
  'an MFA device, the session it opens and the report, with the AWS CLI',
  { timeout: 120_000 },
  async () => {
    const keys = await drydock.user('mia', [
      allow('iam:ListUsers', '*', { Bool: { 'aws:MultiFactorAuthPresent': 'true' } }),
    ])
    const seedFile = join(folder, 'seed')
    const serial = await aws(
      'root',
      ...['iam', 'create-virtual-mfa-device', '--virtual-mfa-device-name', 'mia', '--outfile', seedFile],
      ...['--bootstrap-method', 'Base32StringSeed', '--query', 'VirtualMFADevice.SerialNumber', '--output', 'text'],
    )
    const totp = new TOTP({ secret: readFileSync(seedFile, 'latin1') })
    const code = (steps: number) => totp.generate({ timestamp: drydock.clock.now().getTime() + steps * 30_000 })
    await aws(
      'root',
      ...['iam', 'enable-mfa-device', '--user-name', 'mia', '--serial-number', serial],
      ...['--authentication-code1', code(-1), '--authentication-code2', code(0)],
    )
    const profile = (name: string, [id, secret, token]: readonly (string | undefined)[]) =>
      `[${name}]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n${token ? `aws_session_token = ${token}\n` : ''}`
    const credentials = join(folder, 'credentials')
    appendFileSync(credentials, profile('mia', [keys.accessKeyId, keys.secretAccessKey]))
    expect(await awsFails('mia', 'iam', 'list-users')).toContain('(AccessDenied)')
    const session = await aws(
      'mia',
      ...['sts', 'get-session-token', '--serial-number', serial, '--token-code', code(1), '--output', 'text'],
      ...['--query', 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]'],
    )
    appendFileSync(credentials, profile('mia-mfa', session.split(/\s+/)))
    expect(await aws('mia-mfa', 'iam', 'list-users', '--query', 'Users[].UserName', '--output', 'text')).toContain(
      'mia',
    )

    expect(await awsFails('root', 'iam', 'get-credential-report')).toContain('(ReportNotPresent)')
    await aws('root', 'iam', 'generate-credential-report')
    await drydock.settled()
    const report = await aws('root', 'iam', 'get-credential-report', '--query', 'Content', '--output', 'text')
    const row = Buffer.from(report, 'base64')
      .toString()
      .split('\n')
      .find((line) => line.startsWith('mia,'))
    expect(row?.split(',').slice(3, 9)).toEqual(['false', 'N/A', 'N/A', 'N/A', 'true', 'true'])
  },
)

test.runIf(boto3)('documents, pages, the simulator and errors, with boto3', { timeout: 60_000 }, async () => {
  const keys = await drydock.user('py', [allow('s3:Get*', 'arn:aws:s3:::data/*')])
  const script = `
import boto3, json
iam = boto3.client('iam', aws_access_key_id='${drydock.root.accessKeyId}', aws_secret_access_key='${drydock.root.secretAccessKey}')
for index in range(5):
    iam.create_role(RoleName='py-%d' % index, Path='/py/', AssumeRolePolicyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Principal': {'Service': 'ec2.amazonaws.com'}, 'Action': 'sts:AssumeRole'}]}))
pages = list(iam.get_paginator('list_roles').paginate(PathPrefix='/py/', PaginationConfig={'PageSize': 2}))
document = pages[0]['Roles'][0]['AssumeRolePolicyDocument']
results = iam.simulate_principal_policy(PolicySourceArn='arn:aws:iam::${account}:user/py', ActionNames=['s3:GetObject', 's3:PutObject'], ResourceArns=['arn:aws:s3:::data/a'])['EvaluationResults']
try:
    boto3.client('iam', aws_access_key_id='${keys.accessKeyId}', aws_secret_access_key='${keys.secretAccessKey}').get_role(RoleName='py-0')
    denied = None
except iam.exceptions.ClientError as error:
    denied = error.response['Error']['Code']
try:
    iam.get_role(RoleName='nobody')
except iam.exceptions.NoSuchEntityException as error:
    missing = error.response['Error']['Message']
print(json.dumps({'pages': [len(page['Roles']) for page in pages], 'service': document['Statement'][0]['Principal']['Service'], 'decisions': [result['EvalDecision'] for result in results], 'denied': denied, 'missing': missing}))
`
  const { stdout } = await run('python3', ['-c', script], { env: environment, cwd: folder })
  expect(JSON.parse(stdout)).toEqual({
    pages: [2, 2, 1],
    service: 'ec2.amazonaws.com',
    decisions: ['allowed', 'implicitDeny'],
    denied: 'AccessDenied',
    missing: 'The role with name nobody cannot be found.',
  })
})

test.runIf(cli)('a workflow signs in by its token alone, with the AWS CLI', { timeout: 120_000 }, async () => {
  const issuer = await oidcIssuer(() => drydock.clock.now())
  try {
    const created = [
      'iam',
      'create-open-id-connect-provider',
      '--url',
      issuer.url,
      '--client-id-list',
      'sts.amazonaws.com',
    ]
    const provider = await aws('root', ...created, '--output', 'text', '--query', 'OpenIDConnectProviderArn')
    expect(provider).toBe(`arn:aws:iam::${account}:oidc-provider/${issuer.name}`)
    const trust = {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Federated: provider },
          Action: 'sts:AssumeRoleWithWebIdentity',
          Condition: {
            StringEquals: { [`${issuer.name}:aud`]: 'sts.amazonaws.com' },
            StringLike: { [`${issuer.name}:sub`]: 'repo:octo-org/shop:*' },
          },
        },
      ],
    }
    const role = await drydock.role('workflow', trust, [allow('iam:ListUsers')])
    // What aws-actions/configure-aws-credentials and EKS leave in the environment: a role, and a file with a token.
    writeFileSync(
      join(folder, 'config'),
      `[profile workflow]\nrole_arn = ${role}\nweb_identity_token_file = ${join(folder, 'token')}\nrole_session_name = run-17\n`,
    )
    const anonymous = { ...environment, AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }
    const signedIn = (...args: string[]) =>
      run('aws', [...args, '--profile', 'workflow', '--output', 'text'], { env: anonymous, cwd: folder })
    writeFileSync(join(folder, 'token'), await issuer.token({ sub: 'repo:octo-org/shop:ref:refs/heads/main' }))
    const { stdout } = await signedIn('sts', 'get-caller-identity', '--query', 'Arn')
    expect(stdout.trim()).toBe(`arn:aws:sts::${account}:assumed-role/workflow/run-17`)
    await signedIn('iam', 'list-users')
    writeFileSync(join(folder, 'token'), await issuer.token({ sub: 'repo:evil-org/shop:ref:refs/heads/main' }))
    rmSync(join(folder, '.aws'), { recursive: true, force: true })
    await expect(signedIn('sts', 'get-caller-identity')).rejects.toMatchObject({
      stderr: expect.stringContaining('Not authorized to perform sts:AssumeRoleWithWebIdentity'),
    })
  } finally {
    await issuer.close()
  }
})
