// Where sources lie, as written in a project.

/** A repository in a clone URL, of AWS's form or of this server's: `https://git-codecommit.REGION.amazonaws.com/v1/repos/NAME`. */
export const parseCodeCommitLocation = (location: string): { repository: string; region?: string } | undefined => {
  const found = /^https?:\/\/([^/?#]+)\/v1\/repos\/([A-Za-z0-9._-]{1,100})\/?$/.exec(location)
  if (!found?.[1] || !found[2]) return undefined
  const region = /^git-codecommit(?:-fips)?\.([a-z0-9-]+)\./.exec(found[1].replace(/^[^@]*@/, ''))?.[1]
  return { repository: found[2], ...(region ? { region } : {}) }
}

/** `bucket/key`, or the object's ARN. A key that ends in `/` is a folder. */
export const parseS3Location = (location: string): { bucket: string; key: string } | undefined => {
  const path = location.replace(/^arn:aws:s3:::/, '')
  const slash = path.indexOf('/')
  const bucket = path.slice(0, slash)
  const key = path.slice(slash + 1)
  if (slash < 0 || key === '' || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return undefined
  return { bucket, key }
}

/** Whether a project's `buildspec` is the specification itself, not the path of one. */
export const isInlineBuildspec = (buildspec: string): boolean => /\n|^\s*[{]|^\s*version\s*:/.test(buildspec)

/** A repository's URL, if it is one that may be fetched at all. */
export const gitUrl = (location: string | undefined): URL | undefined => {
  const url = URL.canParse(location ?? '') ? new URL(location ?? '') : undefined
  return url && /^https?:$/.test(url.protocol) && url.pathname.length > 1 ? url : undefined
}
