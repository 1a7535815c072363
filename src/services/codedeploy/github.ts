import { fail, type Operation } from './operation.ts'

// Connections to GitHub accounts are made in AWS's console, with GitHub's consent; no API makes one, and there is no such
// console here. So there are none: commits of public repositories are deployed without.

export const ListGitHubAccountTokenNames: Operation<'ListGitHubAccountTokenNames'> = (_ctx, { nextToken }) => {
  if (nextToken) throw fail('InvalidNextTokenException', 'The next token was specified in an invalid format.')
  return { tokenNameList: [] }
}

export const DeleteGitHubAccountToken: Operation<'DeleteGitHubAccountToken'> = (_ctx, { tokenName }) => {
  if (!tokenName)
    throw fail(
      'GitHubAccountTokenNameRequiredException',
      'The call is missing a required GitHub account connection name.',
    )
  throw fail(
    'GitHubAccountTokenDoesNotExistException',
    `No GitHub account connection exists with the name ${tokenName}.`,
  )
}
