import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { identify } from './identify.ts'
import { bucketOfHost } from './s3-address.ts'

const scope = (service: string): string =>
  `AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261123/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`

const found = async (
  line: string,
  { scope: service, ...headers }: Record<string, string> = {},
  body = '',
): Promise<string> => {
  const [method = '', target = ''] = line.split(' ')
  const [path = '', query = ''] = target.split('?')
  const bytes = new Uint8Array(Buffer.from(body))
  const call = await identify({
    method,
    path,
    query,
    headers: { host: 'localhost:4566', ...(service && { authorization: scope(service) }), ...headers },
    bytes: async () => bytes,
    stream: () => Readable.from([bytes]),
  })
  const labels = Object.entries(call.labels).map(([name, value]) => ` ${name}=${value}`)
  return `${call.service.id}:${call.operation.name} ${call.protocol.name}${labels.join('')}`
}

const form = { 'content-type': 'application/x-www-form-urlencoded' }

describe('identify', () => {
  test.each<[string, Record<string, string>, string, string]>([
    [
      'POST /',
      { 'x-amz-target': 'CodeCommit_20150413.GetRepository', 'content-type': 'application/x-amz-json-1.1' },
      '',
      'codecommit:GetRepository awsJson1_1',
    ],
    [
      'POST /',
      { 'x-amz-target': 'com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents' },
      '',
      'cloudtrail:LookupEvents awsJson1_1',
    ],
    [
      'POST /',
      { 'x-amz-target': 'Logs_20140328.PutLogEvents', host: 'stream-logs.us-east-1.localhost' },
      '',
      'logs:PutLogEvents awsJson1_1',
    ],
    [
      'POST /',
      { 'x-amz-target': 'Logs_20140328.StartLiveTail', host: 'streaming-logs.us-east-1.localhost' },
      '',
      'logs:StartLiveTail awsJson1_1',
    ],
    [
      'POST /',
      { ...form, scope: 'monitoring' },
      'Action=ListMetrics&Version=2010-08-01',
      'cloudwatch:ListMetrics awsQuery',
    ],
    [
      'POST /',
      { 'x-amz-target': 'GraniteServiceVersion20100801.ListMetrics', 'content-type': 'application/x-amz-json-1.0' },
      '',
      'cloudwatch:ListMetrics awsJson1_0',
    ],
    [
      'POST /service/GraniteServiceVersion20100801/operation/ListMetrics',
      { 'smithy-protocol': 'rpc-v2-cbor' },
      '',
      'cloudwatch:ListMetrics rpcv2Cbor',
    ],
    [
      'POST /',
      { ...form, scope: 'sqs' },
      'Action=CreateQueue&Version=2012-11-05&QueueName=q',
      'sqs:CreateQueue awsQuery',
    ],
    ['POST /', { ...form, scope: 'ec2' }, 'Action=DescribeTags&Version=2016-11-15', 'ec2:DescribeTags ec2Query'],
    [
      'POST /',
      { ...form, scope: 'autoscaling' },
      'Action=DescribeTags&Version=2011-01-01',
      'autoscaling:DescribeTags awsQuery',
    ],
    ['POST /', form, 'Action=AssumeRoleWithWebIdentity&Version=2011-06-15', 'sts:AssumeRoleWithWebIdentity awsQuery'],
    [
      'GET /?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=AKIA%2F20261123%2Fus-east-1%2Fsts%2Faws4_request',
      {},
      '',
      'sts:GetCallerIdentity awsQuery',
    ],
    [
      'POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/invocations',
      { scope: 'lambda' },
      '',
      'lambda:Invoke restJson1 FunctionName=arn:aws:lambda:us-east-1:1:function:f',
    ],
    ['GET /2015-03-31/functions/', { scope: 'lambda' }, '', 'lambda:ListFunctions restJson1'],
    [
      'POST /2013-04-01/hostedzone/Z1/rrset/',
      { scope: 'route53' },
      '',
      'route53:ChangeResourceRecordSets restXml HostedZoneId=Z1',
    ],
    ['GET /restapis/a1', { scope: 'apigateway' }, '', 'apigateway:GetRestApi restJson1 restApiId=a1'],
    ['GET /v2/apis/a1', { scope: 'apigateway' }, '', 'apigatewayv2:GetApi restJson1 ApiId=a1'],
    [
      'GET /v20180820/configuration/publicAccessBlock',
      { scope: 's3', 'x-amz-account-id': '123456789012' },
      '',
      's3control:GetPublicAccessBlock restXml',
    ],
    ['GET /', { scope: 's3' }, '', 's3:ListBuckets restXml'],
    ['GET /', {}, '', 's3:ListBuckets restXml'],
    ['GET /bucket', {}, '', 's3:ListObjects restXml Bucket=bucket'],
    ['GET /bucket/', { scope: 's3' }, '', 's3:ListObjects restXml Bucket=bucket'],
    ['GET /bucket?list-type=2&prefix=a', { scope: 's3' }, '', 's3:ListObjectsV2 restXml Bucket=bucket'],
    ['GET /bucket?versions', { scope: 's3' }, '', 's3:ListObjectVersions restXml Bucket=bucket'],
    ['GET /bucket?location', { scope: 's3' }, '', 's3:GetBucketLocation restXml Bucket=bucket'],
    ['GET /bucket?uploads', { scope: 's3' }, '', 's3:ListMultipartUploads restXml Bucket=bucket'],
    ['PUT /bucket', { scope: 's3' }, '', 's3:CreateBucket restXml Bucket=bucket'],
    ['PUT /bucket?versioning=', { scope: 's3' }, '', 's3:PutBucketVersioning restXml Bucket=bucket'],
    ['POST /bucket?delete', { scope: 's3' }, '', 's3:DeleteObjects restXml Bucket=bucket'],
    ['GET /bucket/a%2Fb//c+d%20e/', { scope: 's3' }, '', 's3:GetObject restXml Bucket=bucket Key=a/b//c+d e/'],
    ['GET /bucket/k?x-id=ListParts', { scope: 's3' }, '', 's3:GetObject restXml Bucket=bucket Key=k'],
    ['GET /bucket/k?uploadId=u', { scope: 's3' }, '', 's3:ListParts restXml Bucket=bucket Key=k'],
    ['GET /bucket/k?AWSAccessKeyId=a&Signature=s&Expires=1', {}, '', 's3:GetObject restXml Bucket=bucket Key=k'],
    ['GET /bucket/k?tagging', { scope: 's3' }, '', 's3:GetObjectTagging restXml Bucket=bucket Key=k'],
    ['HEAD /bucket', { scope: 's3' }, '', 's3:HeadBucket restXml Bucket=bucket'],
    ['HEAD /bucket/k', { scope: 's3' }, '', 's3:HeadObject restXml Bucket=bucket Key=k'],
    ['PUT /bucket/k', { scope: 's3' }, '', 's3:PutObject restXml Bucket=bucket Key=k'],
    ['PUT /bucket/k', { scope: 's3', 'x-amz-copy-source': 'a/b' }, '', 's3:CopyObject restXml Bucket=bucket Key=k'],
    ['PUT /bucket/k?partNumber=1&uploadId=u', { scope: 's3' }, '', 's3:UploadPart restXml Bucket=bucket Key=k'],
    [
      'PUT /bucket/k?partNumber=1&uploadId=u',
      { scope: 's3', 'x-amz-copy-source': 'a/b' },
      '',
      's3:UploadPartCopy restXml Bucket=bucket Key=k',
    ],
    ['POST /bucket/k?uploads', { scope: 's3' }, '', 's3:CreateMultipartUpload restXml Bucket=bucket Key=k'],
    ['POST /bucket/k?uploadId=u', { scope: 's3' }, '', 's3:CompleteMultipartUpload restXml Bucket=bucket Key=k'],
    ['DELETE /bucket/k?uploadId=u', { scope: 's3' }, '', 's3:AbortMultipartUpload restXml Bucket=bucket Key=k'],
    ['DELETE /bucket/k', { scope: 's3' }, '', 's3:DeleteObject restXml Bucket=bucket Key=k'],
    ['GET /bucket?inventory&id=1', { scope: 's3' }, '', 's3:GetBucketInventoryConfiguration restXml Bucket=bucket'],
    ['GET /bucket?inventory', { scope: 's3' }, '', 's3:ListBucketInventoryConfigurations restXml Bucket=bucket'],
    [
      'GET /a/b',
      { scope: 's3', host: 'my.bucket.s3.us-east-1.localhost:4566' },
      '',
      's3:GetObject restXml Bucket=my.bucket Key=a/b',
    ],
    ['GET /', { host: 'bucket.localhost:4566' }, '', 's3:ListObjects restXml Bucket=bucket'],
    [
      'PUT /bucket/form',
      { scope: 's3', ...form },
      'Action=ListUsers&Version=2010-05-08',
      's3:PutObject restXml Bucket=bucket Key=form',
    ],
    ['POST /segments', {}, '', 's3:none'],
  ])('%s %o', async (line, headers, body, expected) => {
    if (expected === 's3:none') await expect(found(line, headers, body)).rejects.toThrow('not allowed')
    else expect(await found(line, headers, body)).toBe(expected)
  })

  test.each<[string, string | undefined]>([
    ['b.s3.localhost', 'b'],
    ['b.s3.eu-central-1.localhost', 'b'],
    ['a.b.s3.amazonaws.com', 'a.b'],
    ['b.s3-us-west-2.amazonaws.com', 'b'],
    ['b.s3.dualstack.us-east-1.amazonaws.com', 'b'],
    ['b.s3-fips.us-east-1.amazonaws.com', 'b'],
    ['b.s3-fips.dualstack.us-east-1.amazonaws.com', 'b'],
    ['b.s3-accelerate.amazonaws.com', 'b'],
    ['a.b.s3-accelerate.dualstack.localhost', 'a.b'],
    ['s3-accelerate.localhost', undefined],
    ['mine-000000000000.s3-accesspoint.us-east-1.amazonaws.com', 'arn:aws:s3:us-east-1:000000000000:accesspoint/mine'],
    [
      'my-own-000000000000.s3-accesspoint-fips.dualstack.eu-west-1.localhost',
      'arn:aws:s3:eu-west-1:000000000000:accesspoint/my-own',
    ],
    ['mine-000000000000.s3.localhost', 'mine-000000000000'],
    ['s3.localhost', undefined],
    ['s3.us-east-1.localhost', undefined],
    ['localhost', undefined],
    ['127.0.0.1', undefined],
    ['b.localhost', 'b'],
  ])('%s names bucket %s', (host, bucket) => {
    expect(bucketOfHost(host)).toBe(bucket)
  })
})
