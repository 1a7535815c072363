import type { AdvancedEventSelector, EventSelector } from '@aws-sdk/client-cloudtrail'
import { describe, expect, test } from 'vitest'
import type { AuditRecord } from '../../kernel/audit.ts'
import { advancedSelectors, basicSelectors, matcher } from './selectors.ts'

const record = (more: Partial<AuditRecord>): AuditRecord =>
  ({
    eventSource: 'ec2.amazonaws.com',
    eventName: 'RunInstances',
    eventType: 'AwsApiCall',
    readOnly: false,
    managementEvent: true,
    eventCategory: 'Management',
    userIdentity: { arn: 'arn:aws:iam::000000000000:user/ana' },
    ...more,
  }) as AuditRecord

const run = record({})
const describeInstances = record({ eventName: 'DescribeInstances', readOnly: true })
const encrypt = record({ eventSource: 'kms.amazonaws.com', eventName: 'Encrypt', readOnly: true })
const put = record({
  eventSource: 's3.amazonaws.com',
  eventName: 'PutObject',
  managementEvent: false,
  eventCategory: 'Data',
  resources: [
    { type: 'AWS::S3::Object', ARN: 'arn:aws:s3:::photos/2026/cat.jpg' },
    { type: 'AWS::S3::Bucket', ARN: 'arn:aws:s3:::photos' },
  ],
})
const all = { run, describeInstances, encrypt, put }
type Name = keyof typeof all

const s3 = (...Values: string[]) => [{ Type: 'AWS::S3::Object', Values }]

describe('basic selectors', () => {
  test.each<[selector: EventSelector, taken: Name[]]>([
    [{}, ['run', 'describeInstances', 'encrypt']],
    [{ ReadWriteType: 'WriteOnly' }, ['run']],
    [{ ReadWriteType: 'ReadOnly', ExcludeManagementEventSources: ['kms.amazonaws.com'] }, ['describeInstances']],
    [{ IncludeManagementEvents: false, DataResources: s3('arn:aws:s3') }, ['put']],
    [{ IncludeManagementEvents: false, DataResources: s3('arn:aws:s3:::photos/') }, ['put']],
    [{ IncludeManagementEvents: false, DataResources: s3('arn:aws:s3:::photos/2026/') }, ['put']],
    [{ IncludeManagementEvents: false, DataResources: s3('arn:aws:s3:::photos/2025/') }, []],
    [{ IncludeManagementEvents: false, DataResources: s3('arn:aws:s3:::photo/') }, []],
    [{ ReadWriteType: 'ReadOnly', IncludeManagementEvents: false, DataResources: s3('arn:aws:s3:::') }, []],
    [
      {
        IncludeManagementEvents: false,
        DataResources: [{ Type: 'AWS::Lambda::Function', Values: ['arn:aws:lambda'] }],
      },
      [],
    ],
  ])('%j', (selector, taken) => {
    const matches = matcher(basicSelectors([selector]))
    expect(
      Object.entries(all)
        .filter(([, one]) => matches(one))
        .map(([name]) => name),
    ).toEqual(taken)
  })

  test.each<[EventSelector[]]>([
    [[]],
    [Array.from({ length: 6 }, () => ({}))],
    [[{ ExcludeManagementEventSources: ['s3.amazonaws.com'] }]],
    [[{ DataResources: [{ Type: 'AWS::SNS::Topic', Values: ['x'] }] }]],
    [[{ DataResources: s3('photos') }]],
    [[{ DataResources: s3(...Array.from({ length: 251 }, () => 'arn:aws:s3:::photos/')) }]],
  ])('%j is refused', (selectors) => {
    expect(() => basicSelectors(selectors)).toThrow(expect.objectContaining({ code: 'InvalidEventSelectorsException' }))
  })
})

const category = (name: string) => ({ Field: 'eventCategory', Equals: [name] })
const objects = { Field: 'resources.type', Equals: ['AWS::S3::Object'] }

describe('advanced selectors', () => {
  test.each<[fields: AdvancedEventSelector['FieldSelectors'], taken: Name[]]>([
    [[category('Management')], ['run', 'describeInstances', 'encrypt']],
    [[category('Management'), { Field: 'readOnly', Equals: ['false'] }], ['run']],
    [
      [category('Management'), { Field: 'eventSource', NotEquals: ['kms.amazonaws.com'] }],
      ['run', 'describeInstances'],
    ],
    [
      [category('Management'), { Field: 'eventName', StartsWith: ['Des', 'Enc'], NotEndsWith: ['Instances'] }],
      ['encrypt'],
    ],
    [
      [category('Management'), { Field: 'userIdentity.arn', EndsWith: ['/ana'] }],
      ['run', 'describeInstances', 'encrypt'],
    ],
    [[category('Data'), objects], ['put']],
    [[category('Data'), objects, { Field: 'resources.ARN', StartsWith: ['arn:aws:s3:::photos/'] }], ['put']],
    [[category('Data'), objects, { Field: 'resources.ARN', NotStartsWith: ['arn:aws:s3:::photos/'] }], []],
    [[category('Data'), objects, { Field: 'resources.ARN', NotStartsWith: ['arn:aws:s3:::other/'] }], ['put']],
    [[category('Data'), { Field: 'resources.type', Equals: ['AWS::Lambda::Function'] }], []],
    [[category('Data'), objects, { Field: 'eventName', NotStartsWith: ['Put'] }], []],
    [[category('NetworkActivity'), { Field: 'eventSource', Equals: ['ec2.amazonaws.com'] }], []],
  ])('%j', (FieldSelectors, taken) => {
    const matches = matcher(advancedSelectors([{ FieldSelectors }]))
    expect(
      Object.entries(all)
        .filter(([, one]) => matches(one))
        .map(([name]) => name),
    ).toEqual(taken)
  })

  test.each<[AdvancedEventSelector['FieldSelectors']]>([
    [[]],
    [[{ Field: 'readOnly', Equals: ['true'] }]],
    [[category('Nothing')]],
    [[category('Data')]],
    [[category('Data'), { Field: 'resources.type', Equals: ['S3'] }]],
    [[category('Data'), { Field: 'resources.type', StartsWith: ['AWS::S3::Object'] }]],
    [[category('Management'), { Field: 'resources.ARN', Equals: ['x'] }]],
    [[category('Management'), { Field: 'readOnly', Equals: ['maybe'] }]],
    [[category('Management'), { Field: 'eventName', Equals: [] }]],
    [[category('Management'), { Field: 'eventName' }]],
    [[category('Management'), { Field: 'eventName', Equals: ['a'] }, { Field: 'eventName', Equals: ['b'] }]],
    [
      [
        category('NetworkActivity'),
        { Field: 'eventSource', Equals: ['s3.amazonaws.com'] },
        { Field: 'errorCode', Equals: ['AccessDenied'] },
      ],
    ],
    [[category('Management'), { Field: 'eventName', Equals: Array.from({ length: 501 }, () => 'x') }]],
  ])('%j is refused', (FieldSelectors) => {
    expect(() => advancedSelectors([{ FieldSelectors }])).toThrow(
      expect.objectContaining({ code: 'InvalidEventSelectorsException' }),
    )
  })
})
