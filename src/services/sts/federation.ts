import { fail, type Operation } from './operation.ts'

// There are no identity providers yet (IAM's CreateOpenIDConnectProvider, CreateSAMLProvider), so no token can be theirs.

export const AssumeRoleWithWebIdentity: Operation<'AssumeRoleWithWebIdentity'> = () => {
  throw fail('InvalidIdentityTokenException', 'No OpenIDConnect provider found in your account for the token')
}

export const AssumeRoleWithSAML: Operation<'AssumeRoleWithSAML'> = () => {
  throw fail('InvalidIdentityTokenException', "Specified provider doesn't exist")
}
