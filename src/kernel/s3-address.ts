// Where an S3 request names its bucket: in the path (`/bucket/key`) or in the host (`bucket.s3.localhost`). What a host names
// may be an access point too; then its ARN stands in the bucket's place, as SDKs write it.

/** What stands before these in a host name is the bucket; alone they are the path-style endpoint. */
const endpoint =
  /^(?:(.+)\.)?s3(?:-fips)?(?:[.-](?:dualstack\.|fips\.)?[a-z]{2}(?:-[a-z]+)+-\d)?(?:\.dualstack)?\.(?:localhost|amazonaws\.com)$/

/** Transfer Acceleration: it speaks to a bucket, virtual-hosted style only. */
const accelerated = /^(?:(.+)\.)?s3-accelerate(?:\.dualstack)?\.(?:localhost|amazonaws\.com)$/

const accessPoint =
  /^([a-z0-9-]+)-(\d{12})\.s3-accesspoint(?:-fips)?(?:\.dualstack)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.(?:localhost|amazonaws\.com)$/

/** Names that are no bucket before `.localhost`. */
const ownNames = /^(?:s3|www|[a-z]{2}(?:-[a-z]+)+-\d)$/

/** The host is that of Transfer Acceleration. */
export const isAccelerated = (host: string): boolean => accelerated.test(host)

/** The bucket (or access point's ARN) a host name names, or undefined when the path does. */
export const bucketOfHost = (host: string): string | undefined => {
  const [, point, account, region] = accessPoint.exec(host) ?? []
  if (point !== undefined) return `arn:aws:s3:${region}:${account}:accesspoint/${point}`
  const known = accelerated.exec(host) ?? endpoint.exec(host)
  if (known) return known[1]
  // An SDK that was given http://localhost as its endpoint puts the bucket straight before it.
  const plain = /^(.+)\.localhost$/.exec(host)?.[1]
  return plain === undefined || ownNames.test(plain) ? undefined : plain
}

/** Bucket and key as raw path segments; the key's slashes are kept, with an empty last segment where it ends in one. */
export const addressS3 = (host: string, path: string): string[] => {
  const bucket = bucketOfHost(host)
  const rest = path.startsWith('/') ? path.slice(1) : path
  if (bucket !== undefined) return rest === '' ? [bucket] : [bucket, ...rest.split('/')]
  if (rest === '') return []
  const slash = rest.indexOf('/')
  if (slash < 0 || slash === rest.length - 1) return [slash < 0 ? rest : rest.slice(0, slash)]
  return [rest.slice(0, slash), ...rest.slice(slash + 1).split('/')]
}
