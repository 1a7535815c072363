import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { get, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../story.ts'
import { hasBoto3, hasCli, rootEnvironment, run } from './clients.ts'

// S3 with clients that no one here wrote: the AWS CLI, boto3 and plain HTTP.

const cli = await hasCli('S3')
const boto3 = await hasBoto3('S3')

let drydock: Story
let folder: string
let environment: Record<string, string | undefined>
beforeAll(async () => {
  drydock = await story()
  folder = mkdtempSync(join(tmpdir(), 'drydock-s3-journey-'))
  environment = {
    ...rootEnvironment(drydock, folder),
    AWS_CONFIG_FILE: join(folder, 'config'),
  }
  writeFileSync(join(folder, 'config'), '[default]\ns3 =\n  addressing_style = path\n')
})
afterAll(async () => {
  await drydock.close()
  rmSync(folder, { recursive: true, force: true })
})

const aws = async (...args: string[]): Promise<string> =>
  (await run('aws', args, { env: environment, cwd: folder, maxBuffer: 16 * 1024 ** 2 })).stdout
const awsFails = async (...args: string[]): Promise<string> => {
  try {
    await aws(...args)
  } catch (error) {
    return String((error as { stderr?: string }).stderr ?? error)
  }
  throw new Error(`aws ${args.join(' ')} succeeded`)
}
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

/** A file from before the story's clock: `sync` holds its time against that of the object. */
const writeOld = (path: string, text: string) => {
  writeFileSync(path, text)
  const then = new Date('2026-01-01T00:00:00Z')
  utimesSync(path, then, then)
}

const fetchText = (url: string, method = 'GET', body?: string) =>
  new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const sent = (method === 'GET' ? get : request)(url, { method }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })

test.runIf(cli)(
  'the AWS CLI makes buckets, copies, lists, syncs, presigns and removes',
  async () => {
    await aws('s3', 'mb', 's3://journey')
    const small = join(folder, 'a small file.txt')
    const large = join(folder, 'large.bin')
    writeFileSync(small, 'hello\n')
    writeFileSync(large, Buffer.alloc(20 * 1024 ** 2, 'large '))
    await aws('s3', 'cp', '--quiet', small, 's3://journey/docs/a small+file.txt')
    await aws('s3', 'cp', '--quiet', large, 's3://journey/large.bin')
    expect(await aws('s3', 'ls', 's3://journey')).toMatch(/PRE docs\/\n.* 20971520 large\.bin/)
    expect(await aws('s3', 'ls', '--recursive', 's3://journey/docs')).toContain('docs/a small+file.txt')
    await aws('s3', 'cp', '--quiet', 's3://journey/large.bin', join(folder, 'back.bin'))
    expect(md5(readFileSync(join(folder, 'back.bin')))).toBe(md5(readFileSync(large)))
    await aws('s3', 'cp', '--quiet', 's3://journey/large.bin', 's3://journey/copied.bin')
    const head = JSON.parse(await aws('s3api', 'head-object', '--bucket', 'journey', '--key', 'copied.bin')) as {
      ContentLength: number
    }
    expect(head.ContentLength).toBe(20 * 1024 ** 2)

    mkdirSync(join(folder, 'tree/below'), { recursive: true })
    for (const name of ['one', 'below/two', 'below/ü']) writeOld(join(folder, 'tree', name), name)
    await aws('s3', 'sync', '--quiet', 'tree', 's3://journey/tree')
    rmSync(join(folder, 'tree/one'))
    expect(await aws('s3', 'sync', 'tree', 's3://journey/tree', '--delete')).toContain('delete: s3://journey/tree/one')
    expect(await aws('s3', 'sync', 'tree', 's3://journey/tree')).toBe('')
    await aws('s3', 'sync', '--quiet', 's3://journey/tree', 'tree-back')
    expect(readFileSync(join(folder, 'tree-back/below/ü'), 'utf8')).toBe('below/ü')
    await aws('s3', 'mv', '--quiet', 's3://journey/copied.bin', 's3://journey/moved.bin')

    const url = (await aws('s3', 'presign', 's3://journey/docs/a small+file.txt')).trim()
    expect(await fetchText(url)).toEqual({ status: 200, text: 'hello\n' })
    expect((await fetchText(url.replace(/(Signature=)../, '$100'))).status).toBe(403)

    expect(await awsFails('s3', 'rb', 's3://journey')).toContain('BucketNotEmpty')
    await aws('s3', 'rb', '--force', 's3://journey')
    expect(await awsFails('s3', 'ls', 's3://journey')).toContain('NoSuchBucket')
  },
  120_000,
)

test.runIf(cli)(
  's3api: versions, policies, errors as AWS words them',
  async () => {
    await aws('s3api', 'create-bucket', '--bucket', 'api')
    await aws('s3api', 'put-bucket-versioning', '--bucket', 'api', '--versioning-configuration', 'Status=Enabled')
    await aws(
      's3api',
      'put-object',
      '--bucket',
      'api',
      '--key',
      'k',
      '--tagging',
      'a=b',
      '--checksum-algorithm',
      'SHA256',
    )
    await aws('s3api', 'delete-object', '--bucket', 'api', '--key', 'k')
    const versions = JSON.parse(await aws('s3api', 'list-object-versions', '--bucket', 'api')) as Record<
      string,
      unknown[]
    >
    expect(versions.Versions).toHaveLength(1)
    expect(versions.DeleteMarkers).toHaveLength(1)
    expect(await awsFails('s3api', 'get-object', '--bucket', 'api', '--key', 'k', join(folder, 'out'))).toContain(
      'An error occurred (NoSuchKey) when calling the GetObject operation: The specified key does not exist.',
    )
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::api/*' }],
    })
    expect(await awsFails('s3api', 'put-bucket-policy', '--bucket', 'api', '--policy', policy)).toContain(
      '(AccessDenied)',
    )
    await aws('s3api', 'delete-public-access-block', '--bucket', 'api')
    await aws('s3api', 'put-bucket-policy', '--bucket', 'api', '--policy', policy)
    await aws('s3api', 'put-object', '--bucket', 'api', '--key', 'open', '--body', join(folder, 'config'))
    expect((await fetchText(`${drydock.endpoint}/api/open`)).status).toBe(200)
    await aws(
      's3api',
      'create-bucket',
      '--bucket',
      'far',
      '--create-bucket-configuration',
      'LocationConstraint=eu-west-1',
    )
    expect(await aws('s3', 'ls', 's3://far')).toBe('')
  },
  120_000,
)

const python = `
import boto3, io, os, sys
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
s3 = boto3.client('s3')
s3.create_bucket(Bucket='snake')
config = TransferConfig(multipart_threshold=5 * 1024 ** 2, multipart_chunksize=5 * 1024 ** 2)
body = os.urandom(13 * 1024 ** 2 + 1)
s3.upload_fileobj(io.BytesIO(body), 'snake', 'big/file', Config=config, ExtraArgs={'Metadata': {'a': 'b'}})
back = io.BytesIO()
s3.download_fileobj('snake', 'big/file', back, Config=config)
assert back.getvalue() == body
assert s3.head_object(Bucket='snake', Key='big/file')['ETag'].endswith('-3"')
s3.copy({'Bucket': 'snake', 'Key': 'big/file'}, 'snake', 'copy', Config=config)
assert s3.get_object(Bucket='snake', Key='copy')['Body'].read() == body
for key in ['a b', 'ü+/%41', '../x', 'tab\\tkey', 'control\\x01key']:
    s3.put_object(Bucket='snake', Key='odd/' + key, Body=key.encode())
    assert s3.get_object(Bucket='snake', Key='odd/' + key)['Body'].read() == key.encode()
keys = [o['Key'] for p in s3.get_paginator('list_objects_v2').paginate(Bucket='snake', Prefix='odd/', PaginationConfig={'PageSize': 2}) for o in p['Contents']]
assert sorted(keys) == sorted('odd/' + k for k in ['a b', 'ü+/%41', '../x', 'tab\\tkey', 'control\\x01key']), keys
for version in ['s3', 's3v4']:
    signer = boto3.client('s3', config=Config(signature_version=version))
    print(signer.generate_presigned_url('get_object', Params={'Bucket': 'snake', 'Key': 'odd/a b'}))
    print(signer.generate_presigned_url('put_object', Params={'Bucket': 'snake', 'Key': 'put-' + version}))
try:
    s3.head_object(Bucket='snake', Key='absent')
    sys.exit('found')
except ClientError as e:
    assert e.response['Error']['Code'] == '404', e.response
west = boto3.client('s3', region_name='eu-west-1')
west.create_bucket(Bucket='snake-west', CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
assert s3.list_objects_v2(Bucket='snake-west')['KeyCount'] == 0
bucket = boto3.resource('s3').Bucket('snake')
unsigned = boto3.client('s3', config=Config(request_checksum_calculation='when_required'))
unsigned.put_object(Bucket='snake', Key='plain', Body=b'plain')
`

test.runIf(boto3)(
  'boto3 transfers in parts, lists odd keys, presigns, and follows a bucket to its region',
  async () => {
    writeFileSync(join(folder, 'journey.py'), python)
    const { stdout } = await run('python3', ['journey.py'], { env: environment, cwd: folder })
    const urls = stdout.trim().split('\n')
    expect(urls).toHaveLength(4)
    for (const url of [urls[0], urls[2]]) expect(await fetchText(url ?? '')).toEqual({ status: 200, text: 'a b' })
    for (const url of [urls[1], urls[3]])
      expect(await fetchText(url ?? '', 'PUT', 'presigned')).toEqual({ status: 200, text: '' })
  },
  120_000,
)

const sealing = `
import boto3, io, json, os
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
s3 = boto3.client('s3')
s3.create_bucket(Bucket='sealed')
key = os.urandom(32)
sse_c = {'SSECustomerAlgorithm': 'AES256', 'SSECustomerKey': key}
config = TransferConfig(multipart_threshold=5 * 1024 ** 2, multipart_chunksize=5 * 1024 ** 2)
body = os.urandom(12 * 1024 ** 2 + 3)
try:
    s3.put_object(Bucket='sealed', Key='early', Body=b'x', **sse_c)
    raise SystemExit('SSE-C is not blocked')
except ClientError as e:
    assert e.response['Error']['Code'] == 'AccessDenied', e.response
s3.put_bucket_encryption(Bucket='sealed', ServerSideEncryptionConfiguration={'Rules': [{
    'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'aws:kms'}, 'BucketKeyEnabled': True,
    'BlockedEncryptionTypes': {'EncryptionType': ['NONE']}}]})
s3.upload_fileobj(io.BytesIO(body), 'sealed', 'theirs', Config=config, ExtraArgs=sse_c)
back = io.BytesIO()
s3.download_fileobj('sealed', 'theirs', back, Config=config, ExtraArgs=sse_c)
assert back.getvalue() == body
try:
    s3.get_object(Bucket='sealed', Key='theirs')
    raise SystemExit('read without its key')
except ClientError as e:
    assert e.response['Error']['Code'] == 'InvalidRequest', e.response
s3.upload_fileobj(io.BytesIO(body), 'sealed', 'ours', Config=config)
head = s3.head_object(Bucket='sealed', Key='ours')
assert head['ServerSideEncryption'] == 'aws:kms' and head['BucketKeyEnabled'], head
assert s3.get_object(Bucket='sealed', Key='ours', Range='bytes=5242870-5242889')['Body'].read() == body[5242870:5242890]
print(json.dumps(s3.generate_presigned_post('sealed', 'form/\${filename}', Fields={'success_action_status': '201', 'x-amz-meta-from': 'curl'},
    Conditions=[{'success_action_status': '201'}, {'x-amz-meta-from': 'curl'}, ['content-length-range', 1, 1000]])))
`

test.runIf(boto3)(
  'boto3 transfers under KMS and under keys of its own; curl posts the form that boto3 signs',
  async () => {
    writeFileSync(join(folder, 'sealing.py'), sealing)
    const { stdout } = await run('python3', ['sealing.py'], { env: environment, cwd: folder })
    const { url, fields } = JSON.parse(stdout) as { url: string; fields: Record<string, string> }
    writeFileSync(join(folder, 'note.txt'), 'posted')
    const form = Object.entries(fields).flatMap(([name, value]) => ['--form-string', `${name}=${value}`])
    const post = (file: string) =>
      run('curl', ['-s', '--noproxy', '*', ...form, '-F', `file=@${file}`, url], { cwd: folder })
    expect((await post('note.txt')).stdout).toContain('<Key>form/note.txt</Key>')
    expect((await post('sealing.py')).stdout).toContain('<Code>EntityTooLarge</Code>')
    const presigned = (await aws('s3', 'presign', 's3://sealed/form/note.txt')).trim()
    expect((await run('curl', ['-s', '--noproxy', '*', presigned])).stdout).toBe('posted')
  },
  120_000,
)

const tools = `
import boto3, hashlib, io, json, zipfile
from botocore.exceptions import ClientError
s3 = boto3.client('s3')
def fails(code, call, **params):
    try:
        call(**params)
    except ClientError as e:
        assert e.response['Error']['Code'] == code, e.response
        return
    raise SystemExit(f'{call.__name__} did not fail with {code}')

# A Terraform backend with a lock file: who puts it first holds it; state has versions, and is compared before it is written.
s3.create_bucket(Bucket='states')
s3.put_bucket_versioning(Bucket='states', VersioningConfiguration={'Status': 'Enabled'})
lock = dict(Bucket='states', Key='app/terraform.tfstate.tflock')
state = dict(Bucket='states', Key='app/terraform.tfstate')
fails('404', s3.head_object, **state)
held = s3.put_object(**lock, Body=json.dumps({'ID': 'one'}), IfNoneMatch='*', ContentType='application/json')
fails('PreconditionFailed', s3.put_object, **lock, Body=json.dumps({'ID': 'two'}), IfNoneMatch='*')
assert json.load(s3.get_object(**lock)['Body'])['ID'] == 'one'
first = s3.put_object(**state, Body=b'{"serial": 1}', ServerSideEncryption='AES256', ChecksumAlgorithm='SHA256')
second = s3.put_object(**state, Body=b'{"serial": 2}', IfMatch=first['ETag'])
fails('PreconditionFailed', s3.put_object, **state, Body=b'{"serial": 2}', IfMatch=first['ETag'])
assert s3.get_object(**state, VersionId=first['VersionId'])['Body'].read() == b'{"serial": 1}'
s3.delete_object(**lock)
s3.put_object(**lock, Body=b'{}', IfNoneMatch='*')
s3.delete_object(**lock)
found = s3.list_object_versions(Bucket='states', Prefix='app/')
assert len(found['Versions']) == 4 and len(found['DeleteMarkers']) == 2, found
assert [o['Key'] for o in s3.list_objects_v2(Bucket='states', Prefix='app/')['Contents']] == [state['Key']]

# CDK's bootstrap bucket, and its assets: looked for first, put under the hash of what is in them.
assets = dict(Bucket='cdk-hnb659fds-assets-000000000000-us-east-1')
s3.create_bucket(**assets)
s3.put_bucket_versioning(**assets, VersioningConfiguration={'Status': 'Enabled'})
s3.put_bucket_encryption(**assets, ServerSideEncryptionConfiguration={'Rules': [{'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'AES256'}}]})
s3.put_public_access_block(**assets, PublicAccessBlockConfiguration=dict.fromkeys(['BlockPublicAcls', 'BlockPublicPolicy', 'IgnorePublicAcls', 'RestrictPublicBuckets'], True))
s3.put_bucket_policy(**assets, Policy=json.dumps({'Version': '2012-10-17', 'Id': 'AccessControl', 'Statement': [{
    'Sid': 'AllowSSLRequestsOnly', 'Effect': 'Deny', 'Action': 's3:GetObjectTorrent', 'Principal': '*',
    'Resource': ['arn:aws:s3:::' + assets['Bucket'], 'arn:aws:s3:::' + assets['Bucket'] + '/*']}]}))
s3.put_bucket_lifecycle_configuration(**assets, LifecycleConfiguration={'Rules': [{'ID': 'CleanupOldVersions', 'Status': 'Enabled', 'Filter': {'Prefix': ''}, 'NoncurrentVersionExpiration': {'NoncurrentDays': 30}}]})
assert s3.get_bucket_location(**assets)['LocationConstraint'] is None
assert s3.get_bucket_encryption(**assets)['ServerSideEncryptionConfiguration']['Rules'][0]['ApplyServerSideEncryptionByDefault']['SSEAlgorithm'] == 'AES256'
zipped = io.BytesIO()
with zipfile.ZipFile(zipped, 'w') as archive:
    archive.writestr('index.js', 'exports.handler = async () => 1')
asset = dict(**assets, Key=hashlib.sha256(zipped.getvalue()).hexdigest() + '.zip')
assert s3.list_objects_v2(**assets, Prefix=asset['Key'], MaxKeys=1)['KeyCount'] == 0
fails('404', s3.head_object, **asset)
s3.put_object(**asset, Body=zipped.getvalue(), ContentType='application/zip', ChecksumAlgorithm='SHA256')
listed = s3.list_objects_v2(**assets, Prefix=asset['Key'], MaxKeys=1)['Contents']
assert [(o['Key'], o['Size']) for o in listed] == [(asset['Key'], len(zipped.getvalue()))]
assert zipfile.ZipFile(io.BytesIO(s3.get_object(**asset)['Body'].read())).namelist() == ['index.js']
print('all well')
`

test.runIf(boto3)(
  'a Terraform backend locks and keeps its state; CDK’s assets are put once',
  async () => {
    writeFileSync(join(folder, 'tools.py'), tools)
    const { stdout } = await run('python3', ['tools.py'], { env: environment, cwd: folder })
    expect(stdout).toBe('all well\n')
  },
  120_000,
)

test.runIf(cli)(
  'the AWS CLI locks, archives and restores; syncs odd names both ways; aborts an upload',
  async () => {
    const at = (key: string) => ['--bucket', 'vault', '--key', key]
    await aws('s3api', 'create-bucket', '--bucket', 'vault', '--object-lock-enabled-for-bucket')
    const put = JSON.parse(
      await aws('s3api', 'put-object', ...at('kept'), '--object-lock-legal-hold-status', 'ON'),
    ) as {
      VersionId: string
    }
    expect(await awsFails('s3api', 'delete-object', ...at('kept'), '--version-id', put.VersionId)).toContain(
      'Access Denied because object protected by object lock.',
    )
    await aws('s3api', 'put-object', ...at('cold'), '--storage-class', 'GLACIER')
    expect(await awsFails('s3api', 'get-object', ...at('cold'), join(folder, 'out'))).toContain('(InvalidObjectState)')
    await aws(
      's3api',
      'restore-object',
      ...at('cold'),
      '--restore-request',
      'Days=1,GlacierJobParameters={Tier=Expedited}',
    )
    await drydock.advance({ minutes: 6 })
    await aws('s3api', 'get-object', ...at('cold'), join(folder, 'out'))

    await aws('s3', 'mb', 's3://odd')
    const names = ['a b', 'ü', '100%', 'plus+plus', "quote'", 'deep/er/still', '(x)&y=z;', '#hash', '日本語']
    for (const name of names) {
      const file = join(folder, 'odd', name)
      mkdirSync(join(file, '..'), { recursive: true })
      writeOld(file, name)
    }
    await aws('s3', 'sync', '--quiet', 'odd', 's3://odd/tree', '--sse', 'aws:kms')
    await aws('s3', 'sync', '--quiet', 's3://odd/tree', 'odd-back')
    for (const name of names) expect(readFileSync(join(folder, 'odd-back', name), 'utf8')).toBe(name)
    expect(await aws('s3', 'sync', 's3://odd/tree', 'odd-back')).toBe('')

    const { UploadId } = JSON.parse(
      await aws('s3api', 'create-multipart-upload', '--bucket', 'odd', '--key', 'never'),
    ) as { UploadId: string }
    const upload = ['--bucket', 'odd', '--key', 'never', '--upload-id', UploadId]
    await aws('s3api', 'upload-part', ...upload, '--part-number', '1', '--body', join(folder, 'config'))
    await aws('s3api', 'abort-multipart-upload', ...upload)
    expect(await awsFails('s3api', 'list-parts', ...upload)).toContain('(NoSuchUpload)')
  },
  120_000,
)
