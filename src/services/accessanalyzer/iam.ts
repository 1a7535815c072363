import type { AccessRules } from '../../kernel/service.ts'
import type { NS } from './operation.ts'

const any = () => ({ resources: ['*'] })

export const access: AccessRules<NS> = {
  operations: {
    ValidatePolicy: any,
    CheckNoNewAccess: any,
    CheckAccessNotGranted: any,
    CheckNoPublicAccess: any,
    StartPolicyGeneration: any,
    CancelPolicyGeneration: any,
    GetGeneratedPolicy: any,
    ListPolicyGenerations: any,
  },
}
