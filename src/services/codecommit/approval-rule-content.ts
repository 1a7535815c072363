// What an approval rule asks for, as its content says it (CodeCommit user guide, "Create an approval rule template"): pure.

import { createHash } from 'node:crypto'
import * as z from 'zod'
import { compileTemplate, matches } from '../../policy/pattern.ts'

/** Quotas in CodeCommit. */
const mostApprovers = 50
const mostReferences = 100
export const mostApprovals = 200

const approver = /^(CodeCommitApprovers:\d{12}:[^:]+|arn:aws:(iam|sts)::\d{12}:.+)$/

const statements = z
  .array(
    z.strictObject({
      Type: z.literal('Approvers'),
      NumberOfApprovalsNeeded: z.number().int().min(1).max(mostApprovals),
      ApprovalPoolMembers: z.array(z.string().max(2048).regex(approver)).min(1).max(mostApprovers).optional(),
    }),
  )
  .length(1)

const ruleSchema = z.strictObject({ Version: z.literal('2018-11-08'), Statements: statements })
const templateSchema = ruleSchema.extend({
  // A wildcard may stand anywhere but at the beginning of the branch's name.
  DestinationReferences: z
    .array(
      z
        .string()
        .max(1024)
        .regex(/^refs\/heads\/[^*].*$/),
    )
    .max(mostReferences)
    .optional(),
})

export type ApprovalRuleContent = z.infer<typeof templateSchema>

/** Reads content of a rule, or of a template, which may name destinations besides; `undefined` when it is none. */
export const readContent = (text: string, kind: 'rule' | 'template' = 'template'): ApprovalRuleContent | undefined => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  return (kind === 'rule' ? ruleSchema : templateSchema).safeParse(json).data
}

/** The hash by which updates say what they change: SHA-256 of the text, in hexadecimal digits. */
export const contentHash = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex')

const fits = (pattern: string, text: string): boolean => {
  const { glob } = compileTemplate(pattern, { variables: false, wildcards: true })
  return glob !== undefined && matches(glob, text)
}

/** Whether a template makes a rule for pull requests to this branch (its full reference). */
export const appliesTo = ({ DestinationReferences = [] }: ApprovalRuleContent, destination: string): boolean =>
  DestinationReferences.length === 0 || DestinationReferences.some((pattern) => fits(pattern, destination))

const person = /^arn:aws:(?:iam|sts)::(\d{12}):(?:user|federated-user|assumed-role)\/(.+)$/

/**
 * Whether the pool has the caller of this ARN. `CodeCommitApprovers:ACCOUNT:NAME` means the user and the federated user
 * of this name, and sessions of roles as `ROLE/SESSION`, for which the name may be a wildcard.
 */
export const isApprover = (member: string, arn: string): boolean => {
  const [kind, account, name = ''] = member.split(':')
  if (kind !== 'CodeCommitApprovers') return fits(member, arn)
  const [, ownAccount, ownName = ''] = person.exec(arn) ?? []
  return ownAccount === account && fits(name, ownName)
}

/** Whether these approvals are enough. */
export const isSatisfied = ({ Statements }: ApprovalRuleContent, approvals: readonly string[]): boolean =>
  Statements.every(({ NumberOfApprovalsNeeded, ApprovalPoolMembers: pool }) => {
    const counted = approvals.filter((arn) => !pool || pool.some((member) => isApprover(member, arn)))
    return counted.length >= NumberOfApprovalsNeeded
  })
