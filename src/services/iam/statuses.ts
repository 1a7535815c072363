import { fail } from './operation.ts'

/** Whether a caller turns a credential on or off. `Expired` is told, never set. Throws InvalidInput. */
export const isActive = (status: 'Active' | 'Inactive' | 'Expired'): boolean => {
  if (status === 'Expired')
    throw fail('InvalidInputException', 'The status of a credential can be set to Active or Inactive only.')
  return status === 'Active'
}
