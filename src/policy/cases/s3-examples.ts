import {
  account,
  allow,
  anonymous,
  deny,
  identity,
  other,
  page,
  resourcePolicy,
  roleSession,
  root,
  rootArn,
  service,
  third,
  to,
  user,
} from './case.ts'

const title = 'Examples of Amazon S3 bucket policies'
const bucket = 'arn:aws:s3:::amzn-s3-demo-bucket'
const full = identity(allow())
const key = (name: string) => `${bucket}/${name}`

const acl = [
  full,
  resourcePolicy(
    to(
      { AWS: [rootArn(other), rootArn(third)] },
      allow(['s3:PutObject', 's3:PutObjectAcl'], `${bucket}/*`, { StringEquals: { 's3:x-amz-acl': ['public-read'] } }),
    ),
  ),
]
const addresses = [
  resourcePolicy(
    to(
      '*',
      allow('s3:*', [bucket, `${bucket}/*`], {
        IpAddress: { 'aws:SourceIp': ['54.240.143.0/24', '2001:DB8:1234:5678::/64'] },
        NotIpAddress: { 'aws:SourceIp': ['54.240.143.128/30', '2001:DB8:1234:5678:ABCD::/80'] },
      }),
    ),
  ),
]
const office = [
  full,
  resourcePolicy(
    to('*', deny('s3:*', [bucket, `${bucket}/*`], { NotIpAddress: { 'aws:SourceIp': '54.240.143.0/24' } })),
  ),
]
const site = [
  resourcePolicy(
    to(
      '*',
      allow(['s3:GetObject', 's3:GetObjectVersion'], `${bucket}/*`, {
        StringLike: { 'aws:Referer': ['http://www.example.com/*', 'http://example.com/*'] },
      }),
    ),
  ),
]
const mfa = [
  full,
  resourcePolicy(
    to('*', deny('s3:*', `${bucket}/taxdocuments/*`, { Null: { 'aws:MultiFactorAuthAge': true } })),
    to('*', deny('s3:*', `${bucket}/taxdocuments/*`, { NumericGreaterThan: { 'aws:MultiFactorAuthAge': 3600 } })),
  ),
]
const oai = {
  kind: 'user' as const,
  account: 'cloudfront',
  arn: 'arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity EH1HDMB1FH2TC',
}
const control = [
  full,
  resourcePolicy(
    to(
      { AWS: other },
      allow('s3:PutObject', `${bucket}/*`, { StringEquals: { 's3:x-amz-acl': 'bucket-owner-full-control' } }),
    ),
  ),
]
const encrypted = [
  full,
  resourcePolicy(
    to(
      '*',
      deny('s3:PutObject', `${bucket}/*`, { Null: { 's3:x-amz-server-side-encryption-aws-kms-key-id': 'true' } }),
    ),
  ),
]
const secure = [
  full,
  resourcePolicy(to('*', deny('s3:*', [bucket, `${bucket}/*`], { Bool: { 'aws:SecureTransport': 'false' } }))),
]
const organization = [
  full,
  resourcePolicy(
    to('*', allow('s3:GetObject', `${bucket}/*`, { StringEquals: { 'aws:PrincipalOrgID': ['o-aa111bb222'] } })),
  ),
]
const listing = [
  resourcePolicy(
    to({ AWS: user('bob').arn }, allow('s3:ListBucket', bucket, { StringEquals: { 's3:prefix': 'finance' } })),
  ),
]
const folders = [
  identity(
    allow('s3:ListBucket', bucket, { StringLike: { 's3:prefix': ['', 'home/', 'home/${aws:username}/*'] } }),
    allow('s3:*', [key('home/${aws:username}'), key('home/${aws:username}/*')]),
  ),
]

export const s3Examples = [
  ...page(title, { principal: user('a', other), action: 's3:PutObject', resource: key('x'), policies: acl }, [
    ['accounts that upload public objects: with the ACL', { context: { 's3:x-amz-acl': 'public-read' } }, 'allowed'],
    ['without it', {}, 'implicitDeny resource'],
    ['with another', { context: { 's3:x-amz-acl': 'private' } }, 'implicitDeny resource'],
    [
      'another account',
      { principal: user('a', '123456789012'), context: { 's3:x-amz-acl': 'public-read' } },
      'implicitDeny resource',
    ],
    ['another action', { action: 's3:GetObject', context: { 's3:x-amz-acl': 'public-read' } }, 'implicitDeny resource'],
  ]),
  ...page(
    title,
    {
      principal: anonymous,
      resource: key('index.html'),
      policies: [resourcePolicy(to('*', allow(['s3:GetObject', 's3:GetObjectVersion'], `${bucket}/*`)))],
    },
    [
      ['a public bucket: reading', {}, 'allowed'],
      ['writing', { action: 's3:PutObject' }, 'implicitDeny resource'],
      ['listing', { action: 's3:ListBucket', resource: bucket }, 'implicitDeny resource'],
    ],
  ),
  ...page(title, { resource: key('x'), policies: office }, [
    ['denied unless from the range: from it', { context: { 'aws:SourceIp': '54.240.143.9' } }, 'allowed'],
    ['from elsewhere', { context: { 'aws:SourceIp': '54.240.144.9' } }, 'explicitDeny resource'],
    [
      'from elsewhere, as root',
      { principal: root(), context: { 'aws:SourceIp': '54.240.144.9' } },
      'explicitDeny resource',
    ],
    ['by a VPC endpoint, which has no source IP', {}, 'explicitDeny resource'],
  ]),
  ...page(title, { principal: anonymous, resource: key('x'), policies: addresses }, [
    ['54.240.143.1 is allowed', { context: { 'aws:SourceIp': '54.240.143.1' } }, 'allowed'],
    ['54.240.143.129 is not', { context: { 'aws:SourceIp': '54.240.143.129' } }, 'implicitDeny resource'],
    ['54.240.143.132 is beyond the exception', { context: { 'aws:SourceIp': '54.240.143.132' } }, 'allowed'],
    ['2001:DB8:1234:5678::1 is allowed', { context: { 'aws:SourceIp': '2001:DB8:1234:5678::1' } }, 'allowed'],
    [
      '2001:DB8:1234:5678:ABCD::1 is not',
      { context: { 'aws:SourceIp': '2001:DB8:1234:5678:ABCD::1' } },
      'implicitDeny resource',
    ],
  ]),
  ...page(title, { principal: anonymous, resource: key('photo.jpg'), policies: site }, [
    ['a referer of the site', { context: { 'aws:Referer': 'http://www.example.com/page' } }, 'allowed'],
    ['of the site without www', { context: { 'aws:Referer': 'http://example.com/' } }, 'allowed'],
    ['of another', { context: { 'aws:Referer': 'http://example.org/' } }, 'implicitDeny resource'],
    ['none', {}, 'implicitDeny resource'],
  ]),
  ...page(
    title,
    {
      principal: oai,
      resource: key('x'),
      policies: [full, resourcePolicy(to({ AWS: oai.arn }, allow('s3:GetObject', `${bucket}/*`)))],
    },
    [
      ['a CloudFront origin access identity', {}, 'allowed'],
      ['for other actions', { action: 's3:PutObject' }, 'implicitDeny resource'],
    ],
  ),
  ...page(title, { resource: key('taxdocuments/2026'), policies: mfa }, [
    ['MFA is required: none', {}, 'explicitDeny resource'],
    ['MFA is required: in the last hour', { context: { 'aws:MultiFactorAuthAge': '3600' } }, 'allowed'],
    ['MFA is required: longer ago', { context: { 'aws:MultiFactorAuthAge': '3601' } }, 'explicitDeny resource'],
    ['MFA is required: elsewhere in the bucket not', { resource: key('x') }, 'allowed'],
  ]),
  ...page(title, { principal: user('a', other), action: 's3:PutObject', resource: key('x'), policies: control }, [
    ['the bucket’s owner gets full control', { context: { 's3:x-amz-acl': 'bucket-owner-full-control' } }, 'allowed'],
    ['or the upload is not allowed', {}, 'implicitDeny resource'],
  ]),
  ...page(title, { action: 's3:PutObject', resource: key('x'), policies: encrypted }, [
    [
      'encryption by KMS: with a key',
      { context: { 's3:x-amz-server-side-encryption-aws-kms-key-id': `arn:aws:kms:us-east-1:${account}:key/k` } },
      'allowed',
    ],
    ['encryption by KMS: without', {}, 'explicitDeny resource'],
    ['encryption by KMS: reading', { action: 's3:GetObject' }, 'allowed'],
  ]),
  ...page(title, { resource: key('x'), policies: secure }, [
    ['HTTPS', { context: { 'aws:SecureTransport': 'true' } }, 'allowed'],
    ['HTTP', { context: { 'aws:SecureTransport': 'false' } }, 'explicitDeny resource'],
    [
      'HTTP on the bucket itself',
      { action: 's3:ListBucket', resource: bucket, context: { 'aws:SecureTransport': 'false' } },
      'explicitDeny resource',
    ],
    [
      'HTTP on another bucket',
      { resource: 'arn:aws:s3:::elsewhere/x', context: { 'aws:SecureTransport': 'false' } },
      'allowed',
    ],
  ]),
  ...page(title, { principal: roleSession('Dev', 's', other), resource: key('x'), policies: organization }, [
    ['an account of the organization', { context: { 'aws:PrincipalOrgID': 'o-aa111bb222' } }, 'allowed'],
    ['an account of another', { context: { 'aws:PrincipalOrgID': 'o-cc333dd444' } }, 'implicitDeny resource'],
    ['an account of none', {}, 'implicitDeny resource'],
  ]),
  ...page(
    title,
    {
      principal: service('s3.amazonaws.com'),
      action: 's3:PutObject',
      resource: key('inventory'),
      policies: [
        resourcePolicy(
          to(
            { Service: 's3.amazonaws.com' },
            allow('s3:PutObject', `${bucket}/*`, {
              ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::amzn-s3-demo-source-bucket' },
              StringEquals: { 'aws:SourceAccount': account, 's3:x-amz-acl': 'bucket-owner-full-control' },
            }),
          ),
        ),
      ],
    },
    [
      [
        'an inventory of the source bucket',
        {
          context: {
            'aws:SourceArn': 'arn:aws:s3:::amzn-s3-demo-source-bucket',
            'aws:SourceAccount': account,
            's3:x-amz-acl': 'bucket-owner-full-control',
          },
        },
        'allowed',
      ],
      [
        'of another bucket',
        {
          context: {
            'aws:SourceArn': 'arn:aws:s3:::elsewhere',
            'aws:SourceAccount': account,
            's3:x-amz-acl': 'bucket-owner-full-control',
          },
        },
        'implicitDeny resource',
      ],
      [
        'of another account',
        {
          context: {
            'aws:SourceArn': 'arn:aws:s3:::amzn-s3-demo-source-bucket',
            'aws:SourceAccount': other,
            's3:x-amz-acl': 'bucket-owner-full-control',
          },
        },
        'implicitDeny resource',
      ],
    ],
  ),
  ...page(
    'Bucket policy examples using condition keys',
    { principal: user('bob'), action: 's3:ListBucket', resource: bucket, policies: listing },
    [
      ['listing with the prefix', { context: { 's3:prefix': 'finance' } }, 'allowed'],
      ['with another', { context: { 's3:prefix': 'legal' } }, 'implicitDeny identity'],
      ['with none', {}, 'implicitDeny identity'],
    ],
  ),
  ...page(
    'Bucket policy examples using condition keys',
    {
      principal: user('bob'),
      action: 's3:PutObject',
      resource: key('x'),
      policies: [
        full,
        resourcePolicy(
          to(
            { AWS: user('bob').arn },
            deny('s3:PutObject', `${bucket}/*`, { StringNotEquals: { 's3:x-amz-storage-class': ['STANDARD_IA'] } }),
          ),
        ),
      ],
    },
    [
      ['objects of the one storage class', { context: { 's3:x-amz-storage-class': 'STANDARD_IA' } }, 'allowed'],
      ['objects of another', { context: { 's3:x-amz-storage-class': 'STANDARD' } }, 'explicitDeny resource'],
      ['objects of none given', {}, 'explicitDeny resource'],
      ['for others it says nothing', { principal: user('eve') }, 'allowed'],
    ],
  ),
  ...page(
    'Amazon S3: Allows IAM users access to their S3 home directory, programmatically and in the console',
    { principal: user('ana'), context: { 'aws:username': 'ana' }, policies: folders },
    [
      ['the own folder', { action: 's3:PutObject', resource: key('home/ana/x') }, 'allowed'],
      ['another’s folder', { action: 's3:PutObject', resource: key('home/bob/x') }, 'implicitDeny identity'],
      ['listing the root', { action: 's3:ListBucket', resource: bucket, context: { 's3:prefix': '' } }, 'allowed'],
      [
        'listing the homes',
        { action: 's3:ListBucket', resource: bucket, context: { 's3:prefix': 'home/' } },
        'allowed',
      ],
      [
        'listing below the own',
        { action: 's3:ListBucket', resource: bucket, context: { 's3:prefix': 'home/ana/docs/' } },
        'allowed',
      ],
      [
        'listing below another’s',
        { action: 's3:ListBucket', resource: bucket, context: { 's3:prefix': 'home/bob/' } },
        'implicitDeny identity',
      ],
      ['listing all, without a prefix', { action: 's3:ListBucket', resource: bucket }, 'implicitDeny identity'],
    ],
  ),
  ...page(
    'Amazon S3: Allows read and write access to objects in an S3 Bucket',
    { policies: [identity(allow('s3:ListBucket', bucket), allow('s3:*Object', `${bucket}/*`))] },
    [
      ['listing the bucket', { action: 's3:ListBucket', resource: bucket }, 'allowed'],
      [
        'listing needs the bucket, not its objects',
        { action: 's3:ListBucket', resource: key('x') },
        'implicitDeny identity',
      ],
      ['writing an object', { action: 's3:PutObject', resource: key('x') }, 'allowed'],
      ['its ACL ends otherwise', { action: 's3:PutObjectAcl', resource: key('x') }, 'implicitDeny identity'],
      ['object actions need objects', { action: 's3:GetObject', resource: bucket }, 'implicitDeny identity'],
    ],
  ),
  ...page(
    'Amazon S3: S3 Bucket access, but production bucket denied without recent MFA',
    {
      resource: 'arn:aws:s3:::Production/x',
      policies: [
        identity(
          allow('s3:*'),
          deny('s3:*', ['arn:aws:s3:::Production/*', 'arn:aws:s3:::Production'], {
            NumericGreaterThanIfExists: { 'aws:MultiFactorAuthAge': '1800' },
          }),
        ),
      ],
    },
    [
      ['MFA half an hour ago', { context: { 'aws:MultiFactorAuthAge': '1800' } }, 'allowed'],
      ['MFA longer ago', { context: { 'aws:MultiFactorAuthAge': '1801' } }, 'explicitDeny identity'],
      ['no MFA: the key is missing and IfExists holds', {}, 'explicitDeny identity'],
      ['no MFA, another bucket', { resource: 'arn:aws:s3:::Test/x' }, 'allowed'],
    ],
  ),
]
