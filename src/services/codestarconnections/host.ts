import { table } from '../../store/store.ts'
import { fail, type Output } from './operation.ts'
import type { Tags } from './tag.ts'

// Where a provider that a customer runs himself is installed. On AWS somebody proves in a browser that the installation agrees;
// here whoever runs this server says so, once it was reached (`setup.ts`).

type Vpc = NonNullable<Output<'GetHost'>['VpcConfiguration']>

export type HostRecord = {
  readonly arn: string
  readonly name: string
  readonly provider: 'GitHubEnterpriseServer' | 'GitLabSelfManaged'
  readonly endpoint: string
  readonly vpc?: Vpc
  readonly tags: Tags
  /** It is set up: its endpoint was reached. */
  readonly reached?: boolean
}

export const Host = table<HostRecord>('codestarconnections.host', { scope: 'region', key: ({ arn }) => arn })

export const notThere = (arn: string) =>
  fail('ResourceNotFoundException', `Resource not found. Verify the host resource and try again: ${arn}`)
