import { organization } from '../../kernel/organization.ts'
import { defineService, provide } from '../../kernel/service.ts'
import {
  DescribeAccount,
  LeaveOrganization,
  ListAccounts,
  ListAccountsForParent,
  MoveAccount,
  RemoveAccountFromOrganization,
} from './accounts.ts'
import { AttachPolicy, DetachPolicy, ListPoliciesForTarget, ListTargetsForPolicy } from './attachments.ts'
import { CloseAccount, closer } from './closures.ts'
import {
  CreateAccount,
  CreateGovCloudAccount,
  creator,
  DescribeCreateAccountStatus,
  ListCreateAccountStatus,
} from './creations.ts'
import { DeleteResourcePolicy, DescribeResourcePolicy, PutResourcePolicy } from './delegation.ts'
import {
  DescribeEffectivePolicy,
  ListAccountsWithInvalidEffectivePolicy,
  ListEffectivePolicyValidationErrors,
} from './effective.ts'
import { EnableAllFeatures } from './features.ts'
import { expiry } from './handshake.ts'
import {
  AcceptHandshake,
  CancelHandshake,
  DeclineHandshake,
  DescribeHandshake,
  InviteAccountToOrganization,
  ListHandshakesForAccount,
  ListHandshakesForOrganization,
} from './handshakes.ts'
import { access } from './iam.ts'
import { organizationProvider } from './membership.ts'
import type { NS } from './operation.ts'
import { CreateOrganization, DeleteOrganization, DescribeOrganization } from './organization.ts'
import { CreatePolicy, DeletePolicy, DescribePolicy, ListPolicies, UpdatePolicy } from './policies.ts'
import { DisablePolicyType, EnablePolicyType, ListRoots } from './policy-types.ts'
import { tables } from './records.ts'
import {
  DeregisterDelegatedAdministrator,
  DisableAWSServiceAccess,
  EnableAWSServiceAccess,
  ListAWSServiceAccessForOrganization,
  ListDelegatedAdministrators,
  ListDelegatedServicesForAccount,
  RegisterDelegatedAdministrator,
} from './services.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'
import {
  DescribeResponsibilityTransfer,
  InviteOrganizationToTransferResponsibility,
  ListInboundResponsibilityTransfers,
  ListOutboundResponsibilityTransfers,
  TerminateResponsibilityTransfer,
  UpdateResponsibilityTransfer,
} from './transfers.ts'
import {
  CreateOrganizationalUnit,
  DeleteOrganizationalUnit,
  DescribeOrganizationalUnit,
  ListChildren,
  ListOrganizationalUnitsForParent,
  ListParents,
  UpdateOrganizationalUnit,
} from './units.ts'

const noBills = 'Who is responsible for whose bills is kept and shown; there are no bills here.'
const contents =
  'What stands below the outermost members of backup, chatbot, EC2, Inspector and Bedrock policies is checked only for the use of inheritance operators.'

export const service = defineService<NS>()({
  id: 'organizations',
  tables,
  operations: {
    ...{ CreateOrganization, DescribeOrganization, DeleteOrganization, EnableAllFeatures },
    ...{ CreateAccount, CreateGovCloudAccount, DescribeCreateAccountStatus, ListCreateAccountStatus },
    ...{ DescribeAccount, ListAccounts, ListAccountsForParent, MoveAccount, CloseAccount },
    ...{ RemoveAccountFromOrganization, LeaveOrganization },
    ...{ CreateOrganizationalUnit, DescribeOrganizationalUnit, UpdateOrganizationalUnit, DeleteOrganizationalUnit },
    ...{ ListOrganizationalUnitsForParent, ListChildren, ListParents, ListRoots },
    ...{ CreatePolicy, DescribePolicy, UpdatePolicy, DeletePolicy, ListPolicies },
    ...{ AttachPolicy, DetachPolicy, ListPoliciesForTarget, ListTargetsForPolicy },
    ...{ EnablePolicyType, DisablePolicyType, DescribeEffectivePolicy },
    ...{ ListAccountsWithInvalidEffectivePolicy, ListEffectivePolicyValidationErrors },
    ...{ EnableAWSServiceAccess, DisableAWSServiceAccess, ListAWSServiceAccessForOrganization },
    ...{ RegisterDelegatedAdministrator, DeregisterDelegatedAdministrator },
    ...{ ListDelegatedAdministrators, ListDelegatedServicesForAccount },
    ...{ PutResourcePolicy, DescribeResourcePolicy, DeleteResourcePolicy },
    ...{ InviteAccountToOrganization, AcceptHandshake, DeclineHandshake, CancelHandshake },
    ...{ DescribeHandshake, ListHandshakesForAccount, ListHandshakesForOrganization },
    ...{ InviteOrganizationToTransferResponsibility, DescribeResponsibilityTransfer },
    ...{ ListInboundResponsibilityTransfers, ListOutboundResponsibilityTransfers },
    ...{ UpdateResponsibilityTransfer, TerminateResponsibilityTransfer },
    ...{ TagResource, UntagResource, ListTagsForResource },
  },
  partial: {
    AttachPolicy:
      'Service and resource control policies are enforced. Management policies make an effective policy, which no service here acts on: tags, backups and Regions are not held to it.',
    CreatePolicy: contents,
    UpdatePolicy: contents,
    CloseAccount:
      'The account can do nothing any more, and after 90 days is out of its organization for good; what runs there is not stopped, and what it held is not deleted.',
    CreateAccount: 'IamUserAccessToBilling changes nothing: there are no bills here.',
    CreateGovCloudAccount:
      'There is no AWS GovCloud (US): every request is refused as on AWS without an account there.',
    InviteAccountToOrganization: 'No e-mail is sent: the account finds the invitation by ListHandshakesForAccount.',
    ListAccountsWithInvalidEffectivePolicy:
      'An effective policy is found invalid only for more than ten rules of a backup plan.',
    ListEffectivePolicyValidationErrors: 'The only error found is more than ten rules of a backup plan.',
    InviteOrganizationToTransferResponsibility: noBills,
    TerminateResponsibilityTransfer: noBills,
  },
  access,
  eventRegion: () => 'us-east-1',
  reconcilers: [creator, closer, expiry],
  provides: [provide(organization, organizationProvider)],
})
