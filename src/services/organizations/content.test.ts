import type { PolicyType } from '@aws-sdk/client-organizations'
import { expect, test } from 'vitest'
import { checkContent, resourceControlled } from './content.ts'

const controlled = await resourceControlled()
const check = (type: PolicyType, content: object | string) => () =>
  checkContent(type, typeof content === 'string' ? content : JSON.stringify(content), controlled)

const statement = (change: object) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Action: 's3:*', Resource: '*', ...change }],
})

const good: readonly [PolicyType, string, object][] = [
  ['SERVICE_CONTROL_POLICY', 'denies', statement({})],
  ['SERVICE_CONTROL_POLICY', 'allows', statement({ Effect: 'Allow' })],
  [
    'SERVICE_CONTROL_POLICY',
    'denies all but some, elsewhere',
    statement({
      Action: undefined,
      NotAction: ['iam:*'],
      Condition: { StringNotEquals: { 'aws:RequestedRegion': 'eu-central-1' } },
    }),
  ],
  ['RESOURCE_CONTROL_POLICY', 'denies everyone', statement({ Principal: '*' })],
  [
    'RESOURCE_CONTROL_POLICY',
    'of several services',
    statement({ Principal: '*', Action: ['s3:*', 'sts:AssumeRole', 'kms:*', 'sqs:*', 'secretsmanager:*'] }),
  ],
  [
    'TAG_POLICY',
    'tags',
    { tags: { team: { tag_key: { '@@assign': 'Team' }, enforced_for: { '@@assign': ['s3:bucket'] } } } },
  ],
  ['AISERVICES_OPT_OUT_POLICY', 'opts out', { services: { default: { opt_out_policy: { '@@assign': 'optOut' } } } }],
  [
    'BACKUP_POLICY',
    'a plan',
    {
      plans: {
        Daily: {
          regions: { '@@append': ['us-east-1'] },
          rules: { Night: { target_backup_vault_name: { '@@assign': 'Vault' } } },
          selections: { tags: { All: { tag_key: { '@@assign': 'backup' } } } },
        },
      },
    },
  ],
  ['CHATBOT_POLICY', 'chat', { chatbot: { platforms: { slack: { client: { '@@assign': 'disabled' } } } } }],
  [
    'DECLARATIVE_POLICY_EC2',
    'EC2',
    { ec2_attributes: { serial_console_access: { status: { '@@assign': 'disabled' } } } },
  ],
  [
    'SECURITYHUB_POLICY',
    'Security Hub',
    { securityhub: { enable_in_regions: { '@@append': ['ALL_SUPPORTED'] }, disable_in_regions: { '@@append': [] } } },
  ],
  [
    'INSPECTOR_POLICY',
    'Inspector',
    { inspector: { enablement: { ec2_scanning: { enable_in_regions: { '@@assign': ['us-east-1'] } } } } },
  ],
  [
    'UPGRADE_ROLLOUT_POLICY',
    'upgrades',
    {
      upgrade_rollout: {
        default: { patch_order: { '@@assign': 'last' } },
        tags: { stage: { tag_values: { dev: { patch_order: { '@@assign': 'first' } } } } },
      },
    },
  ],
  [
    'BEDROCK_POLICY',
    'Bedrock',
    { bedrock: { guardrail_inference: { 'us-east-1': { config_1: { identifier: { '@@assign': 'arn' } } } } } },
  ],
  ['S3_POLICY', 'S3', { s3_attributes: { public_access_block_configuration: { '@@assign': 'all' } } }],
  [
    'NETWORK_SECURITY_DIRECTOR_POLICY',
    'networks',
    {
      network_security_director: {
        enablement: { network_security_scan: { enable_in_regions: { '@@assign': ['us-east-1'] } } },
      },
    },
  ],
]
test.each(good)('%s: %s', (type, _, content) => {
  expect(check(type, content)).not.toThrow()
})

const bad: readonly [PolicyType, string, object | string][] = [
  ['SERVICE_CONTROL_POLICY', 'no JSON', '{'],
  ['SERVICE_CONTROL_POLICY', 'a principal', statement({ Principal: '*' })],
  ['SERVICE_CONTROL_POLICY', 'an old version', { ...statement({}), Version: '2008-10-17' }],
  ['SERVICE_CONTROL_POLICY', 'no statement', { Version: '2012-10-17', Statement: [] }],
  ['SERVICE_CONTROL_POLICY', 'no action', statement({ Action: undefined })],
  ['RESOURCE_CONTROL_POLICY', 'no principal', statement({})],
  ['RESOURCE_CONTROL_POLICY', 'one principal', statement({ Principal: { AWS: '123456789012' } })],
  ['RESOURCE_CONTROL_POLICY', 'others than', statement({ NotPrincipal: '*' })],
  ['RESOURCE_CONTROL_POLICY', 'an Allow', statement({ Principal: '*', Effect: 'Allow' })],
  ['RESOURCE_CONTROL_POLICY', 'every action', statement({ Principal: '*', Action: '*' })],
  ['RESOURCE_CONTROL_POLICY', 'a service that has none', statement({ Principal: '*', Action: 'iam:*' })],
  [
    'RESOURCE_CONTROL_POLICY',
    'other actions than',
    statement({ Principal: '*', Action: undefined, NotAction: 's3:GetObject' }),
  ],
  ['TAG_POLICY', 'another top', { plans: {} }],
  ['TAG_POLICY', 'an unknown setting', { tags: { team: { colour: { '@@assign': 'x' } } } }],
  ['TAG_POLICY', 'a list as key', { tags: { team: { tag_key: { '@@assign': ['x'] } } } }],
  ['TAG_POLICY', 'a single value', { tags: { team: { tag_value: { '@@assign': 'x' } } } }],
  ['TAG_POLICY', 'members below a value', { tags: { team: { tag_key: { '@@assign': 'x', more: {} } } } }],
  ['AISERVICES_OPT_OUT_POLICY', 'neither in nor out', { services: { lex: { opt_out_policy: { '@@assign': 'no' } } } }],
  ['BACKUP_POLICY', 'a value as plan', { plans: { Daily: { '@@assign': 'x' } } }],
  ['S3_POLICY', 'half', { s3_attributes: { public_access_block_configuration: { '@@assign': 'half' } } }],
  ['UPGRADE_ROLLOUT_POLICY', 'a fourth', { upgrade_rollout: { default: { patch_order: { '@@assign': 'fourth' } } } }],
]
test.each(bad)('%s refuses %s', (type, _, content) => {
  expect(check(type, content)).toThrow(
    expect.objectContaining({
      code: 'MalformedPolicyDocumentException',
      message: expect.stringMatching(
        /^The provided policy document does not meet the requirements of the specified policy type\./,
      ),
    }),
  )
})

test.each([
  ['SERVICE_CONTROL_POLICY', 5120],
  ['RESOURCE_CONTROL_POLICY', 5120],
  ['AISERVICES_OPT_OUT_POLICY', 2500],
  ['TAG_POLICY', 10_000],
] as const)('%s has at most %i characters', (type, size) => {
  expect(check(type, ' '.repeat(size + 1))).toThrow(
    expect.objectContaining({
      code: 'ConstraintViolationException',
      members: { Reason: 'POLICY_CONTENT_LIMIT_EXCEEDED' },
    }),
  )
})

test('a type that is too new is not done', () => {
  expect(check('GUARDDUTY_POLICY', {})).toThrow(expect.objectContaining({ code: 'NotImplemented' }))
})
