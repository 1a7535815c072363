import { identity } from '../../kernel/identity.ts'
import { defineService, provide } from '../../kernel/service.ts'
import {
  instanceProfiles as foundProfiles,
  gitCredentials,
  identityProviders,
  knownIdentities,
  outboundFederation,
  principals,
  rootAccess,
  sshKeys as sshKeyFinder,
} from '../capabilities.ts'
import { accessKeys } from './access-keys.ts'
import { Accesses, accessNotes, accessNotesProvider } from './access-notes.ts'
import { account } from './account.ts'
import { attachments } from './attachments.ts'
import { authorizationDetails } from './authorization-details.ts'
import { boundaries } from './boundaries.ts'
import { credentialTables } from './credential-records.ts'
import { credentialReports, reportGeneration } from './credential-report.ts'
import { instanceProfilesProvider } from './found-profiles.ts'
import { groups } from './groups.ts'
import { access } from './iam.ts'
import { gitCredentialsProvider, identityProvider, sshKeysProvider } from './identity.ts'
import { identityProvidersProvider } from './identity-providers.ts'
import { inlinePolicies } from './inline-policies.ts'
import { instanceProfiles } from './instance-profiles.ts'
import { knownIdentitiesProvider } from './known-identities.ts'
import { lastAccessed, Reports } from './last-accessed.ts'
import { loginProfiles } from './login-profiles.ts'
import { mfaDevices } from './mfa-devices.ts'
import { OidcProviders, oidcProviders } from './oidc-providers.ts'
import type { NS } from './operation.ts'
import { organizationFeatures } from './organization-features.ts'
import { OrganizationsReports, organizationsReport } from './organizations-report.ts'
import {
  issuerRoute,
  OutboundFederations,
  outboundFederationProvider,
  outboundFederations,
} from './outbound-federation.ts'
import { passwordPolicy } from './password-policy.ts'
import { policies } from './policies.ts'
import { principalsProvider } from './principals.ts'
import { tables } from './records.ts'
import { roles } from './roles.ts'
import { OrganizationFeatures, rootAccessProvider } from './root-access.ts'
import { SamlProviders, samlProviders } from './saml-providers.ts'
import { serverCertificates } from './server-certificates.ts'
import { serviceCredentials } from './service-credentials.ts'
import { serviceLinkedRoles } from './service-linked.ts'
import { signingCertificates } from './signing-certificates.ts'
import { simulations } from './simulate.ts'
import { sshKeys } from './ssh-keys.ts'
import { withoutBareTokens } from './tokens.ts'
import { users } from './users.ts'

export const service = defineService<NS>()({
  id: 'iam',
  tables: [
    ...tables,
    ...credentialTables,
    OidcProviders,
    SamlProviders,
    OrganizationFeatures,
    Accesses,
    Reports,
    OrganizationsReports,
    OutboundFederations,
  ],
  operations: withoutBareTokens({
    ...users,
    ...groups,
    ...roles,
    ...policies,
    ...inlinePolicies,
    ...attachments,
    ...boundaries,
    ...accessKeys,
    ...instanceProfiles,
    ...serviceLinkedRoles,
    ...serviceCredentials,
    ...sshKeys,
    ...mfaDevices,
    ...oidcProviders,
    ...loginProfiles,
    ...signingCertificates,
    ...serverCertificates,
    ...passwordPolicy,
    ...credentialReports,
    ...samlProviders,
    ...outboundFederations,
    ...account,
    ...authorizationDetails,
    ...simulations,
    ...lastAccessed,
    ...organizationFeatures,
    ...organizationsReport,
  }),
  partial: {
    CreateLoginProfile: 'The password opens nothing: there is no console to sign in to. The root user has none.',
    UpdateAccountPasswordPolicy:
      'Expiry is told by the credential report; no sign-in asks for it, there being no console to sign in to.',
    ListAccessKeys: "The root user's own keys are the server's, and not listed.",
    EnableMFADevice: 'Virtual devices only: hardware devices and passkeys cannot be enrolled.',
    CreateOpenIDConnectProvider:
      'Without a thumbprint list none is retrieved: then only certificates of publicly trusted authorities count.',
    GetCredentialReport: 'When the root user was created and when its key was made and used is not kept: N/A, or 1970.',
    SetSecurityTokenServicePreferences: 'The version is kept and told; tokens of either version work in every Region.',
    DeleteServerCertificate: 'No load balancer is asked whether it uses the certificate.',
    UploadSigningCertificate:
      'The certificate is checked, kept and shown; there is no SOAP request here that it would sign.',
    GetUser:
      "PasswordLastUsed is never set: there is no console to sign in to. The root user's date of creation is not kept.",
    CreateServiceLinkedRole: 'For the some two hundred services of its table; other names are refused.',
    DeleteServiceLinkedRole: 'Of the services, only Organizations is asked whether it still needs its role.',
    CreateServiceSpecificCredential: 'Those for CodeCommit open it; those for other services open nothing here.',
    UploadSSHPublicKey:
      'CodeCommit asks for keys where the server has a port for git over SSH (`--ssh-port`), not elsewhere.',
    GetAccountAuthorizationDetails: 'AWS managed policies have ids of this server, and their newest version only.',
    GetPolicy: 'AWS managed policies have ids of this server, not those of AWS, and no description.',
    GetPolicyVersion: 'Of AWS managed policies only the newest version is known.',
    ListPolicyVersions: 'Of AWS managed policies only the newest version is known.',
    ListPolicies: 'AWS managed policies have ids and usage of this server, not those of AWS.',
  },
  reconcilers: [reportGeneration],
  access,
  routes: [issuerRoute],
  eventRegion: () => 'us-east-1',
  provides: [
    provide(identity, identityProvider),
    provide(accessNotes, accessNotesProvider),
    provide(gitCredentials, gitCredentialsProvider),
    provide(sshKeyFinder, sshKeysProvider),
    provide(knownIdentities, knownIdentitiesProvider),
    provide(foundProfiles, instanceProfilesProvider),
    provide(identityProviders, identityProvidersProvider),
    provide(outboundFederation, outboundFederationProvider),
    provide(rootAccess, rootAccessProvider),
    provide(principals, principalsProvider),
  ],
})
