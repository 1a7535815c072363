// One line of a server access log ("Amazon S3 server access log format", S3 user guide). A pure engine.

export type LoggedRequest = {
  readonly owner: string
  readonly bucket: string
  /** Epoch milliseconds. */
  readonly time: number
  readonly remoteIp: string
  readonly requester: string
  readonly requestId: string
  readonly operation: string
  readonly key: string | undefined
  readonly requestUri: string | undefined
  readonly status: number
  readonly error: string | undefined
  readonly bytesSent: number | undefined
  readonly objectSize: number | undefined
  /** Milliseconds. */
  readonly totalTime: number | undefined
  /** Milliseconds until the answer begins. */
  readonly turnAroundTime: number | undefined
  readonly referer: string | undefined
  readonly userAgent: string | undefined
  readonly versionId: string | undefined
  readonly signatureVersion: string | undefined
  readonly authType: string | undefined
  readonly host: string | undefined
  /** ARN of the access point through which it came. */
  readonly accessPoint: string | undefined
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (number: number): string => String(number).padStart(2, '0')

const timeOf = (time: number): string => {
  const date = new Date(time)
  const clock = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':')
  return `[${two(date.getUTCDate())}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}:${clock} +0000]`
}

/** What callers send cannot break out of its place: no control characters, no quotes. */
const safe = (text: string): string =>
  text.replace(/[^\x20-\x7e]|"/g, (character) => encodeURIComponent(character).replace(/[^%\w]/g, '?'))

const field = (value: string | number | undefined): string =>
  value === undefined || value === '' ? '-' : safe(String(value)).replace(/ /g, '%20')
const quoted = (value: string | undefined): string => (value ? `"${safe(value)}"` : '"-"')

export const accessLogLine = (request: LoggedRequest): string =>
  [
    field(request.owner),
    field(request.bucket),
    timeOf(request.time),
    field(request.remoteIp),
    field(request.requester),
    field(request.requestId),
    field(request.operation),
    // Twice encoded, as S3 writes keys.
    field(
      request.key === undefined
        ? undefined
        : request.key
            .split('/')
            .map((part) => encodeURIComponent(encodeURIComponent(part)))
            .join('/'),
    ),
    quoted(request.requestUri),
    field(request.status),
    field(request.error),
    field(request.bytesSent || undefined),
    field(request.objectSize),
    field(request.totalTime),
    field(request.turnAroundTime),
    quoted(request.referer),
    quoted(request.userAgent),
    field(request.versionId),
    field(request.requestId),
    field(request.signatureVersion),
    '-',
    field(request.authType),
    field(request.host),
    '-',
    field(request.accessPoint),
    '-',
  ].join(' ')

const names: Readonly<Record<string, string>> = {
  AbortMultipartUpload: 'REST.DELETE.UPLOAD',
  CompleteMultipartUpload: 'REST.POST.UPLOAD',
  CopyObject: 'REST.COPY.OBJECT',
  CreateMultipartUpload: 'REST.POST.UPLOADS',
  DeleteObjects: 'REST.POST.MULTI_OBJECT_DELETE',
  ListMultipartUploads: 'REST.GET.UPLOADS',
  ListObjectVersions: 'REST.GET.BUCKETVERSIONS',
  ListObjects: 'REST.GET.BUCKET',
  ListObjectsV2: 'REST.GET.BUCKET',
  ListParts: 'REST.GET.UPLOAD',
  UploadPart: 'REST.PUT.PART',
  UploadPartCopy: 'REST.COPY.PART',
  CreateBucket: 'REST.PUT.BUCKET',
  DeleteBucket: 'REST.DELETE.BUCKET',
  HeadBucket: 'REST.HEAD.BUCKET',
  GetObject: 'REST.GET.OBJECT',
  HeadObject: 'REST.HEAD.OBJECT',
  PutObject: 'REST.PUT.OBJECT',
  DeleteObject: 'REST.DELETE.OBJECT',
  RestoreObject: 'REST.POST.RESTORE',
  SelectObjectContent: 'REST.POST.OBJECT',
}

/** `REST.GET.OBJECT_TAGGING`, `REST.PUT.VERSIONING`. */
export const operationName = (operation: string): string => {
  const known = names[operation]
  if (known !== undefined) return known
  const [, verb = 'Get', kind = '', rest = ''] =
    /^(Get|Put|Delete|List|Update)(Bucket|Object)?(.*)$/.exec(operation) ?? []
  const method = verb === 'List' ? 'GET' : verb === 'Update' ? 'PUT' : verb.toUpperCase()
  const resource = rest.replace(/Configuration$/, '').toUpperCase()
  return `REST.${method}.${kind === 'Object' ? 'OBJECT_' : ''}${resource}`
}

export const methodOf = (operation: string): string => {
  const method = operationName(operation).split('.')[1] ?? 'GET'
  return method === 'COPY' ? 'PUT' : method
}
