// What SDK clients change on their own, by name and with the reason: not the wire's doing, so not held against it.

export type Known = {
  readonly service: string
  readonly operation?: string
  readonly protocol?: string
  /** Members that are not compared. Without them the whole operation is left out. */
  readonly members?: readonly string[]
  readonly in: 'input' | 'output'
  readonly reason: string
}

export const knownToSdk: readonly Known[] = [
  {
    service: 'cloudwatch',
    operation: 'DashboardNotFoundError',
    in: 'output',
    reason: 'shares its query code ResourceNotFound with another error, by which the client finds the class',
  },
  {
    service: 'cloudwatch',
    operation: 'DashboardInvalidInputError',
    members: ['dashboardValidationMessages'],
    in: 'output',
    reason: 'the query client reads an absent list as an empty one',
  },
  {
    service: 'sqs',
    operation: 'ReceiveMessage',
    members: ['AttributeNames', 'MessageSystemAttributeNames'],
    in: 'input',
    reason: 'both are AttributeName.n in the query protocol, the newer name replaced the older',
  },
  {
    service: 'lambda',
    operation: 'InvokeWithResponseStream',
    members: ['ResponseStreamContentType'],
    in: 'output',
    reason: 'bound to Content-Type, which is that of the event stream',
  },
  {
    service: 's3',
    members: [
      'SSECustomerKey',
      'SSECustomerKeyMD5',
      'CopySourceSSECustomerKey',
      'CopySourceSSECustomerKeyMD5',
      'ChecksumAlgorithm',
      'ChecksumCRC32',
      'ContentLength',
      'ContentType',
    ],
    in: 'input',
    reason: 'the client encodes keys, adds their MD5 sums, computes checksums, and fills in length and type of a body',
  },
  {
    service: 's3',
    members: ['ExpiresString'],
    in: 'output',
    reason: 'made by the client of the Expires header',
  },
  {
    service: 's3',
    operation: 'ListDirectoryBuckets',
    in: 'input',
    reason: 'same method and path as ListBuckets; directory buckets live on an endpoint of their own',
  },
  {
    service: 's3',
    operation: 'ListDirectoryBuckets',
    in: 'output',
    reason: 'same method and path as ListBuckets; directory buckets live on an endpoint of their own',
  },
  {
    service: 'apigateway',
    operation: 'GetExport',
    members: ['accepts'],
    in: 'input',
    reason: 'the client sets Accept to application/json by default, which is this member',
  },
  {
    service: 'ec2',
    operation: 'CopySnapshot',
    members: ['PresignedUrl', 'DestinationRegion'],
    in: 'input',
    reason: 'the client presigns a URL of its own and fills in its region',
  },
  {
    service: 'lambda',
    members: ['Error'],
    in: 'input',
    reason: 'the client sends {} where a structure that is the whole payload is absent',
  },
  {
    service: 'route53',
    operation: 'InvalidChangeBatch',
    members: ['messages'],
    in: 'output',
    reason: 'the client reads an absent list as an empty one',
  },
]

export const knownToBotocore: readonly Known[] = [
  ...knownToSdk,
  {
    service: 'sqs',
    protocol: 'awsQuery',
    in: 'input',
    reason: 'its SQS model is the JSON one, without the names of the query protocol',
  },
  {
    service: 'sqs',
    protocol: 'awsQuery',
    in: 'output',
    reason: 'its SQS model is the JSON one, without the names of the query protocol',
  },
]
