import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { trailBucketPolicy } from '../../src/services/cloudtrail/story-bench.ts'
import { type Story, story } from '../story.ts'
import { hasCli, rootEnvironment, run } from './clients.ts'

// CloudTrail with the AWS CLI: a trail, its log files, and the proof that nobody changed them.

const cli = await hasCli('CloudTrail')

let drydock: Story
let folder: string
let environment: Record<string, string | undefined>
beforeAll(async () => {
  drydock = await story()
  folder = mkdtempSync(join(tmpdir(), 'drydock-cloudtrail-journey-'))
  environment = rootEnvironment(drydock, folder)
})
afterAll(async () => {
  await drydock.close()
  rmSync(folder, { recursive: true, force: true })
})

const aws = async (...args: string[]): Promise<string> =>
  (await run('aws', args, { env: environment, cwd: folder })).stdout

const arn = 'arn:aws:cloudtrail:us-east-1:000000000000:trail/audit'
const validate = () =>
  run(
    'aws',
    [
      'cloudtrail',
      'validate-logs',
      '--trail-arn',
      arn,
      '--start-time',
      '2026-11-23T08:00:00Z',
      '--end-time',
      '2026-11-23T12:00:00Z',
      '--verbose',
    ],
    { env: environment, cwd: folder },
  ).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, output: stdout + stderr }),
  )

test.skipIf(!cli)(
  'log files validate until one is tampered with',
  async () => {
    await aws('s3api', 'create-bucket', '--bucket', 'audit-logs')
    writeFileSync(join(folder, 'policy.json'), JSON.stringify(trailBucketPolicy('audit-logs', arn)))
    await aws('s3api', 'put-bucket-policy', '--bucket', 'audit-logs', '--policy', 'file://policy.json')
    await aws(
      'cloudtrail',
      'create-trail',
      '--name',
      'audit',
      '--s3-bucket-name',
      'audit-logs',
      '--enable-log-file-validation',
    )
    await aws('cloudtrail', 'start-logging', '--name', 'audit')
    await aws('logs', 'create-log-group', '--log-group-name', 'shop')
    await drydock.advance({ minutes: 65 })
    await aws('logs', 'delete-log-group', '--log-group-name', 'shop')
    await drydock.advance({ minutes: 65 })

    const valid = await validate()
    expect(valid.output).toMatch(/2\/2 digest files valid/)
    expect(valid.output).toMatch(/(\d+)\/\1 log files valid/)
    expect(valid.code).toBe(0)

    const keys = JSON.parse(
      await aws(
        's3api',
        'list-objects-v2',
        '--bucket',
        'audit-logs',
        '--prefix',
        'AWSLogs/000000000000/CloudTrail/',
        '--query',
        'Contents[].Key',
      ),
    )
    writeFileSync(join(folder, 'forged.json.gz'), gzipSync('{"Records":[]}'))
    await aws('s3api', 'put-object', '--bucket', 'audit-logs', '--key', keys[0], '--body', 'forged.json.gz')
    const forged = await validate()
    expect(forged.code).toBe(1)
    expect(forged.output).toContain(`${keys[0]}\tINVALID: hash value doesn't match`)
  },
  180_000,
)

test.skipIf(!cli)(
  'the event history and a query of CloudTrail Lake name who did what',
  async () => {
    const created = JSON.parse(await aws('cloudtrail', 'create-event-data-store', '--name', 'events'))
    const id = created.EventDataStoreArn.split('/').at(-1)
    await aws('iam', 'create-user', '--user-name', 'ana')
    const by = 'AttributeKey=EventName,AttributeValue=CreateUser'
    const history = await aws(
      'cloudtrail',
      'lookup-events',
      '--lookup-attributes',
      by,
      '--query',
      'Events[].Resources[].ResourceName',
    )
    expect(JSON.parse(history)).toContain('ana')
    const statement = `SELECT eventName, element_at(requestParameters, 'userName') AS "user" FROM ${id} WHERE eventSource = 'iam.amazonaws.com'`
    const { QueryId } = JSON.parse(await aws('cloudtrail', 'start-query', '--query-statement', statement))
    await drydock.settled()
    const results = JSON.parse(await aws('cloudtrail', 'get-query-results', '--query-id', QueryId))
    expect(results).toMatchObject({
      QueryStatus: 'FINISHED',
      QueryResultRows: [[{ eventName: 'CreateUser' }, { user: 'ana' }]],
    })
  },
  180_000,
)
