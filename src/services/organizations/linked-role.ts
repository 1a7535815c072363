import type { Caller } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { fail } from './operation.ts'

const service = 'organizations.amazonaws.com'

/**
 * The role AWSServiceRoleForOrganizations, which every account of an organization has: made under the caller's own
 * rights. Throws AccessDeniedForDependencyException.
 */
export const makeLinkedRole = async ({ iam }: Pick<Caller, 'iam'>): Promise<void> => {
  try {
    await iam.createServiceLinkedRole({ AWSServiceName: service })
  } catch (thrown) {
    if (!(thrown instanceof AwsError)) throw thrown
    if (/^AccessDenied/.test(thrown.code))
      throw fail(
        'AccessDeniedForDependencyException',
        `The request failed because your credentials do not have permission to create the service-linked role required by AWS Organizations. ${thrown.message}`,
        { Reason: 'ACCESS_DENIED_DURING_CREATE_SERVICE_LINKED_ROLE' },
      )
    // It is there already.
    if (!/has been taken/.test(thrown.message)) throw thrown
  }
}
