// What CodeCommit's events have in common (CodeCommit user guide, "Monitoring CodeCommit events in Amazon EventBridge").

import type { Ctx } from '../../kernel/context.ts'

/** Who made something happen, as events name them. */
export type Caller = { readonly arn: string; readonly displayName?: string; readonly emailAddress?: string }

/** The present caller; session tags may tell a name and an address. */
export const callerOf = ({ principal }: Ctx): Caller => {
  const { displayName, emailAddress } = principal.session?.tags ?? {}
  return {
    arn: principal.arn,
    ...(displayName === undefined ? {} : { displayName }),
    ...(emailAddress === undefined ? {} : { emailAddress }),
  }
}

export const senderOf = ({ arn, ...others }: Caller) => ({ callerUserArn: arn, ...others })

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** A time (ISO 8601) as these events write it: `Wed Nov 06 19:02:14 UTC 2019`. */
export const eventDate = (time: string): string => {
  const date = new Date(time)
  const day = String(date.getUTCDate()).padStart(2, '0')
  const clock = date.toISOString().slice(11, 19)
  return `${days[date.getUTCDay()]} ${months[date.getUTCMonth()]} ${day} ${clock} UTC ${date.getUTCFullYear()}`
}

/** The address in AWS's console that notifications name. */
export const consoleOf = ({ region }: Ctx, path: string): string =>
  `https://${region}.console.aws.amazon.com/codesuite/codecommit/repositories/${path}?region=${region}`
