import type { ReasonSummary } from '@aws-sdk/client-accessanalyzer'
import { comparisonSize, grantingAccess, newAccess, questionSize } from './analysis/access.ts'
import { publicStatements } from './analysis/external.ts'
import { readDocument, UnreadablePolicy } from './analysis/read-document.ts'
import { fail, invalid, type Operation } from './operation.ts'
import { page } from './page.ts'
import { validatePolicy } from './validation/validate.ts'

// Policies in question, none of them anyone's yet.

const read = (text: string, kind: 'identity' | 'resource') => {
  try {
    return readDocument(text, kind)
  } catch (error) {
    if (error instanceof UnreadablePolicy) throw fail('InvalidParameterException', error.message)
    throw error
  }
}

/** Characters: several times the largest policy of any service. */
const LONGEST = 200_000
/** Pairs of patterns that are compared at once: seconds of work at worst, milliseconds for policies that services accept. */
const MOST_PAIRS = 200_000

const refuseBeyond = (size: number) => {
  if (size > MOST_PAIRS)
    throw fail('UnprocessableEntityException', 'The policy has too many combinations of actions and resources.')
}

const kindOf = (policyType: string) => (policyType === 'IDENTITY_POLICY' ? 'identity' : 'resource')

type Place = { readonly index: number; readonly sid: string | undefined }

const reasonsOf = (what: string, statements: readonly Place[]): ReasonSummary[] =>
  statements.map(({ index, sid }) => ({
    description: `${what} with ${sid === undefined ? `index: ${index}` : `sid: ${sid}`}.`,
    statementIndex: index,
    ...(sid === undefined ? {} : { statementId: sid }),
  }))

/** `fine` where nothing was found. */
const verdict = (found: ReasonSummary[], fine: string, wrong: string) =>
  found.length === 0
    ? { result: 'PASS' as const, message: fine }
    : { result: 'FAIL' as const, message: wrong, reasons: found }

/** Findings in AWS's words and order of checks; `locale` is accepted, texts are English. */
const ValidatePolicy: Operation<'ValidatePolicy'> = async (_ctx, input) => {
  if (input.policyDocument.length > LONGEST)
    throw invalid(`The policy document must not be longer than ${LONGEST} characters.`)
  const findings = await validatePolicy({
    text: input.policyDocument,
    policyType: input.policyType,
    resourceType: input.validatePolicyResourceType,
  })
  const { items, nextToken } = page(findings, input)
  return {
    findings: items.map((finding) => ({
      ...finding,
      locations: finding.locations.map(({ path, span }) => ({ path: [...path], span })),
    })),
    ...(nextToken === undefined ? {} : { nextToken }),
  }
}

/** Whether the new policy allows what the existing one does not. Throws InvalidParameterException for what is no policy, UnprocessableEntityException. */
const CheckNoNewAccess: Operation<'CheckNoNewAccess'> = (_ctx, input) => {
  const kind = kindOf(input.policyType)
  const [updated, existing] = [read(input.newPolicyDocument, kind), read(input.existingPolicyDocument, kind)]
  refuseBeyond(comparisonSize(updated, existing))
  const found = newAccess(updated, existing)
  return verdict(
    reasonsOf('New access in the statement', found),
    'The modified permissions do not grant new access compared to your existing policy.',
    'The modified permissions grant new access compared to your existing policy.',
  )
}

/** Whether the policy allows any of the actions on any of the resources. Throws InvalidParameterException. */
const CheckAccessNotGranted: Operation<'CheckAccessNotGranted'> = (_ctx, input) => {
  const [access] = input.access
  const [actions, resources] = [access?.actions ?? [], access?.resources ?? []]
  if (actions.length === 0 && resources.length === 0)
    throw fail('InvalidParameterException', 'The access must contain at least one action or one resource.')
  for (const action of actions)
    if (action !== '*' && !/^[A-Za-z0-9-]+:[A-Za-z0-9*?]+$/.test(action))
      throw fail('InvalidParameterException', `The action ${action} is not valid.`)
  for (const resource of resources)
    if (resource !== '*' && !/^arn:([^:]*:){4}.+$/.test(resource))
      throw fail('InvalidParameterException', `The resource ${resource} is not valid.`)
  const document = read(input.policyDocument, kindOf(input.policyType))
  refuseBeyond(questionSize(document, { actions, resources }))
  const found = grantingAccess(document, { actions, resources })
  const asked = [...(actions.length > 0 ? ['actions'] : []), ...(resources.length > 0 ? ['resources'] : [])].join(
    ' or ',
  )
  return verdict(
    reasonsOf(`One or more of the listed ${asked} in the statement`, found),
    `The policy document does not grant access to perform one or more of the listed ${asked}.`,
    `The policy document grants access to perform one or more of the listed ${asked}.`,
  )
}

/** Whether the resource policy lets the world in. Throws InvalidParameterException for what is no resource policy. */
const CheckNoPublicAccess: Operation<'CheckNoPublicAccess'> = (_ctx, input) => {
  const document = read(input.policyDocument, 'resource')
  refuseBeyond(comparisonSize(document, document))
  return verdict(
    reasonsOf('Public access granted in the following statement', publicStatements(document)),
    'The resource policy does not grant public access for the given resource type.',
    'The resource policy grants public access for the given resource type.',
  )
}

export const checks = { ValidatePolicy, CheckNoNewAccess, CheckAccessNotGranted, CheckNoPublicAccess }
