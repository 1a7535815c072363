import { type Operation, page } from '../operation.ts'

// Sample queries of our own. `$EDS_ID` stands for the id of an event data store, as in AWS's samples.

const samples: readonly { readonly name: string; readonly description: string; readonly sql: string }[] = [
  {
    name: 'Recent failed calls',
    description: 'Calls that ended with an error in the event data store, the latest first, with who made them.',
    sql: 'SELECT eventTime, eventSource, eventName, errorCode, userIdentity.arn FROM $EDS_ID WHERE errorCode IS NOT NULL ORDER BY eventTime DESC LIMIT 100',
  },
  {
    name: 'Access denied by identity',
    description: 'How often users and roles were denied access, by identity and action.',
    sql: "SELECT userIdentity.arn, eventSource, eventName, count(*) AS denials FROM $EDS_ID WHERE errorCode IN ('AccessDenied', 'Client.UnauthorizedOperation') GROUP BY userIdentity.arn, eventSource, eventName ORDER BY denials DESC",
  },
  {
    name: 'Most active identities',
    description: 'The users and roles with the most calls.',
    sql: 'SELECT userIdentity.arn, count(*) AS calls FROM $EDS_ID GROUP BY userIdentity.arn ORDER BY calls DESC LIMIT 20',
  },
  {
    name: 'Root user activity',
    description: 'What the root user of an account did.',
    sql: "SELECT eventTime, eventSource, eventName, sourceIPAddress FROM $EDS_ID WHERE userIdentity.type = 'Root' ORDER BY eventTime DESC",
  },
  {
    name: 'Deleted buckets',
    description: 'S3 buckets that were deleted, when and by whom.',
    sql: "SELECT eventTime, element_at(requestParameters, 'bucketName') AS bucket, userIdentity.arn FROM $EDS_ID WHERE eventName = 'DeleteBucket' AND errorCode IS NULL ORDER BY eventTime DESC",
  },
  {
    name: 'Objects read and written',
    description: 'S3 data events by bucket and operation: reads, writes and deletes of objects.',
    sql: "SELECT element_at(requestParameters, 'bucketName') AS bucket, eventName, count(*) AS calls FROM $EDS_ID WHERE eventSource = 's3.amazonaws.com' AND eventCategory = 'Data' GROUP BY 1, 2 ORDER BY calls DESC",
  },
  {
    name: 'IAM changes',
    description: 'Changes of users, roles and policies in IAM.',
    sql: "SELECT eventTime, eventName, userIdentity.arn, requestParameters FROM $EDS_ID WHERE eventSource = 'iam.amazonaws.com' AND readOnly = false ORDER BY eventTime DESC",
  },
  {
    name: 'Calls per hour',
    description: 'The number of calls of each service per hour.',
    sql: "SELECT date_trunc('hour', eventTime) AS hour, eventSource, count(*) AS calls FROM $EDS_ID GROUP BY 1, 2 ORDER BY 1, 2",
  },
  {
    name: 'Assumed roles',
    description: 'Which roles were assumed, by whom, and how often.',
    sql: "SELECT element_at(requestParameters, 'roleArn') AS role, userIdentity.arn, count(*) AS sessions FROM $EDS_ID WHERE eventName LIKE 'AssumeRole%' GROUP BY 1, 2 ORDER BY sessions DESC",
  },
  {
    name: 'Console of an address',
    description: 'Source IP addresses and the number of different identities that called from each.',
    sql: 'SELECT sourceIPAddress, count(DISTINCT userIdentity.arn) AS identities, count(*) AS calls FROM $EDS_ID GROUP BY sourceIPAddress ORDER BY calls DESC',
  },
]

const words = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? []

/** Samples by how many of the phrase's words they have. */
export const SearchSampleQueries: Operation<'SearchSampleQueries'> = async (
  _ctx,
  { SearchPhrase, MaxResults = 10, NextToken },
) => {
  const wanted = [...new Set(words(SearchPhrase))]
  const found = samples
    .map((sample) => {
      const known = new Set(words(`${sample.name} ${sample.description} ${sample.sql}`))
      const hits = wanted.filter(
        (word) => known.has(word) || known.has(`${word}s`) || known.has(word.replace(/s$/, '')),
      )
      return { sample, relevance: hits.length / Math.max(1, wanted.length) }
    })
    .filter(({ relevance }) => relevance > 0)
    .sort((a, b) => b.relevance - a.relevance)
  const { items, ...more } = page(found, NextToken, MaxResults)
  return {
    SearchResults: items.map(({ sample, relevance }) => ({
      Name: sample.name,
      Description: sample.description,
      SQL: sample.sql,
      Relevance: relevance,
    })),
    ...more,
  }
}
