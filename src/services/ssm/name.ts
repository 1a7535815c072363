import { AwsError } from '../../kernel/errors.ts'
import { fail, invalid } from './operation.ts'

const MOST_LEVELS = 15
/** Of the whole ARN ("PutParameter", Systems Manager API reference). */
const LONGEST = 1011

const rules =
  'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_'

/** Raises ValidationException, HierarchyLevelLimitExceededException, AccessDeniedException for AWS's own names. */
export const checkName = (name: string, arn: string): void => {
  if (/^\/?aws(\/|$)/i.test(name))
    throw new AwsError('AccessDeniedException', `No access to reserved parameter name: ${name}.`, { status: 400 })
  if (/^\/?(aws|ssm)/i.test(name)) throw invalid(rules)
  if (name.includes('/') && !name.startsWith('/')) throw invalid('Parameter name must be a fully qualified name.')
  if (!/^(\/?[A-Za-z0-9._-]+)(\/[A-Za-z0-9._-]+)*$/.test(name)) throw invalid(rules)
  if (arn.length > LONGEST) throw invalid(`Parameter name is too long: its ARN has more than ${LONGEST} characters.`)
  if (name.split('/').length - 1 > MOST_LEVELS)
    throw fail(
      'HierarchyLevelLimitExceededException',
      `A hierarchy can have a maximum of ${MOST_LEVELS} levels. For more information, see Requirements and constraints for parameter names.`,
    )
}
