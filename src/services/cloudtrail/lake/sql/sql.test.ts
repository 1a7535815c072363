import { expect, test } from 'vitest'
import type { AuditRecord } from '../../../../kernel/audit.ts'
import { parseStatement } from './parse.ts'
import { runQuery } from './run.ts'
import { toText } from './value.ts'

const id = 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'
const other = 'f81d4fae-7dec-11d0-a765-00a0c91e6bf7'

const event = (minute: number, eventName: string, more: object = {}): AuditRecord =>
  ({
    eventVersion: '1.11',
    eventTime: `2026-11-23T09:${String(minute).padStart(2, '0')}:00Z`,
    eventSource: 's3.amazonaws.com',
    eventName,
    awsRegion: 'us-east-1',
    readOnly: eventName.startsWith('Get'),
    userIdentity: {
      type: 'IAMUser',
      arn: `arn:aws:iam::1:user/${minute % 2 ? 'ana' : 'ben'}`,
      sessionContext: { attributes: { mfaAuthenticated: 'true' } },
    },
    requestParameters: { bucketName: `b${minute}`, nested: { a: [1, 2] } },
    resources: [{ ARN: `arn:aws:s3:::b${minute}`, type: 'AWS::S3::Bucket' }],
    ...more,
  }) as unknown as AuditRecord

const events = [
  event(0, 'CreateBucket'),
  event(1, 'GetBucketAcl'),
  event(2, 'DeleteBucket', { errorCode: 'NoSuchBucket' }),
  event(3, 'CreateBucket', { errorCode: 'AccessDenied' }),
]

const run = async (sql: string, parameters: string[] = []): Promise<unknown[][]> => {
  const { columns, rows } = await runQuery(
    parseStatement(sql, parameters),
    async function* (store) {
      yield store === id ? events : [event(9, 'Other')]
    },
    new Date('2026-11-23T10:00:00Z'),
    () => undefined,
  )
  return [
    [...columns],
    ...rows.map((row) =>
      row.map((value) => (typeof value === 'number' || typeof value === 'boolean' ? value : toText(value))),
    ),
  ]
}

const cases: [string, unknown[][]][] = [
  [
    `SELECT userIdentity.sessionContext, requestParameters FROM ${id} LIMIT 1`,
    [
      ['sessionContext', 'requestParameters'],
      ['{attributes={mfaauthenticated=true}}', '{bucketName=b0, nested={"a":[1,2]}}'],
    ],
  ],
  [
    `SELECT eventName FROM ${id} WHERE errorCode IS NOT NULL ORDER BY eventTime DESC`,
    [['eventName'], ['CreateBucket'], ['DeleteBucket']],
  ],
  [
    `select EVENTNAME, count(*) AS "howMany" from ${id} group by eventname having count(*) > 1`,
    [
      ['eventName', 'howMany'],
      ['CreateBucket', 2],
    ],
  ],
  [
    `SELECT count(DISTINCT userIdentity.arn) AS users, approx_distinct(eventName), min(eventTime) FROM ${id}`,
    [
      ['users', '_col1', '_col2'],
      [2, 3, '2026-11-23 09:00:00.000'],
    ],
  ],
  [`SELECT userIdentity.sessionContext.attributes.mfaAuthenticated AS mfa FROM ${id} LIMIT 1`, [['mfa'], ['true']]],
  [
    `SELECT e.userIdentity.arn FROM ${id} AS e WHERE e.eventTime > '2026-11-23 09:02:00'`,
    [['arn'], ['arn:aws:iam::1:user/ana']],
  ],
  [
    `SELECT element_at(requestParameters, 'bucketName') AS b, element_at(requestParameters, 'nested') FROM ${id} WHERE eventTime BETWEEN '2026-11-23 09:01:00' AND '2026-11-23 09:01:59'`,
    [
      ['b', '_col1'],
      ['b1', '{"a":[1,2]}'],
    ],
  ],
  [`SELECT json_extract_scalar(eventJson, '$.requestParameters.nested.a[1]') AS n FROM ${id} LIMIT 1`, [['n'], ['2']]],
  [`SELECT resources[1].arn AS arn FROM ${id} WHERE eventName LIKE 'Del%'`, [['arn'], ['arn:aws:s3:::b2']]],
  [
    `SELECT CASE WHEN readOnly THEN 'r' ELSE 'w' END AS rw, count(*) AS n FROM ${id} GROUP BY 1 ORDER BY n DESC`,
    [
      ['rw', 'n'],
      ['w', 3],
      ['r', 1],
    ],
  ],
  [
    `SELECT date_trunc('hour', eventTime) AS hour, sum(1) FROM ${id} GROUP BY date_trunc('hour', eventTime)`,
    [
      ['hour', '_col1'],
      ['2026-11-23 09:00:00.000', 4],
    ],
  ],
  [
    `SELECT eventName FROM ${id} WHERE eventName IN ('GetBucketAcl', 'X') OR errorCode NOT IN ('AccessDenied')`,
    [['eventName'], ['GetBucketAcl'], ['DeleteBucket']],
  ],
  [
    `SELECT coalesce(errorCode, 'none') AS c FROM ${id} WHERE NOT readOnly AND upper(eventName) = 'CREATEBUCKET' -- a comment`,
    [['c'], ['none'], ['AccessDenied']],
  ],
  [
    `SELECT eventName FROM ${id} WHERE eventName = ? UNION ALL SELECT eventName FROM ${other} ORDER BY 1 DESC LIMIT 1`,
    [['eventName'], ['Other']],
  ],
  [
    `WITH bad AS (SELECT eventName, errorCode FROM ${id} WHERE errorCode IS NOT NULL) SELECT count(*) AS n FROM bad`,
    [['n'], [2]],
  ],
  [
    `SELECT a.eventName, b.errorCode FROM ${id} a JOIN ${id} b ON a.eventName = b.eventName AND b.errorCode = 'AccessDenied' ORDER BY a.eventTime`,
    [
      ['eventName', 'errorCode'],
      ['CreateBucket', 'AccessDenied'],
      ['CreateBucket', 'AccessDenied'],
    ],
  ],
  [
    `SELECT eventName FROM ${id} WHERE eventTime = (SELECT max(eventTime) FROM ${id})`,
    [['eventName'], ['CreateBucket']],
  ],
  [`SELECT DISTINCT eventSource FROM ${id}`, [['eventSource'], ['s3.amazonaws.com']]],
  [`SELECT t.n FROM (SELECT count(*) AS n FROM ${id} WHERE errorCode IS NULL) t`, [['n'], [2]]],
  [
    `SELECT 'it''s ${id}' AS text, try_cast('7' AS integer) + 1 AS eight FROM ${id} LIMIT 1`,
    [
      ['text', 'eight'],
      [`it's ${id}`, 8],
    ],
  ],
  [`SELECT eventName FROM ${id} WHERE regexp_like(eventName, '^Get.*Acl$')`, [['eventName'], ['GetBucketAcl']]],
]

test.each(cases)('%s', async (sql, expected) => {
  expect(await run(sql, sql.includes('?') ? ['DeleteBucket'] : [])).toEqual(expected)
})

test.each([
  [`SELECT nothing FROM ${id}`, /cannot be resolved/],
  [`SELECT eventName, count(*) FROM ${id}`, /GROUP BY/],
  [`SELECT nosuch(eventName) FROM ${id}`, /not registered/],
  [`DELETE FROM ${id}`, /Only SELECT|parsed/],
  [`SELECT 1; SELECT 2`, /one statement/],
  [`SELECT eventName FROM ${id} WHERE eventName = ?`, /placeholders/],
  [`SELECT row_number() OVER (ORDER BY eventTime) FROM ${id}`, /window/],
  [`SELECT ${'('.repeat(50)}1${')'.repeat(50)}`, /deep/],
  [`SELECT eventName FROM ${id} WHERE`, /parsed/],
  [`SELECT ${'1+'.repeat(1500)}1 FROM ${id}`, /deep/],
  [`SELECT ${'- '.repeat(3000)}1 FROM ${id}`, /deep/],
  [`SELECT ${'1,'.repeat(3000)}1 FROM ${id}`, /long/],
  [`SELECT 1/0 FROM ${id}`, /zero/],
])('%s is refused', async (sql, message) => {
  await expect(run(sql)).rejects.toThrow(message)
})
