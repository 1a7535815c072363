import type { ApprovalRule as WireApprovalRule } from '@aws-sdk/client-codecommit'
import { contentHash } from './approval-rule-content.ts'

/** A rule of one pull request. `template`: the one it was made from, which alone can change it. */
export type ApprovalRule = {
  readonly id: string
  readonly name: string
  readonly content: string
  /** ISO 8601. */
  readonly created: string
  readonly modified: string
  /** ARN. */
  readonly modifiedBy: string
  readonly template?: { readonly id: string; readonly name: string }
}

export const toApprovalRule = (rule: ApprovalRule): WireApprovalRule => ({
  approvalRuleId: rule.id,
  approvalRuleName: rule.name,
  approvalRuleContent: rule.content,
  ruleContentSha256: contentHash(rule.content),
  creationDate: new Date(rule.created),
  lastModifiedDate: new Date(rule.modified),
  lastModifiedUser: rule.modifiedBy,
  ...(rule.template
    ? {
        originApprovalRuleTemplate: {
          approvalRuleTemplateId: rule.template.id,
          approvalRuleTemplateName: rule.template.name,
        },
      }
    : {}),
})

/** Quotas in CodeCommit: names of rules and templates. */
export const isRuleName = (name: string): boolean => /^[\w. -]{1,100}$/.test(name) && !name.endsWith('.git')
