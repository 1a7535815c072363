// Where an S3 request names its bucket: in the path (`/bucket/key`) or in the host (`bucket.s3.localhost`).

/** What stands before these in a host name is the bucket; alone they are the path-style endpoint. */
const endpoint =
  /^(?:(.+)\.)?s3(?:[.-](?:dualstack\.|fips\.)?[a-z]{2}(?:-[a-z]+)+-\d)?(?:\.dualstack)?\.(?:localhost|amazonaws\.com)$/

/** Names that are no bucket before `.localhost`. */
const ownNames = /^(?:s3|www|[a-z]{2}(?:-[a-z]+)+-\d)$/

/** The bucket a host name names, or undefined when the path does. */
export const bucketOfHost = (host: string): string | undefined => {
  const known = endpoint.exec(host)
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
