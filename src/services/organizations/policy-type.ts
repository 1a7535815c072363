import type { EffectivePolicyType, PolicyType } from '@aws-sdk/client-organizations'

/**
 * What differs between policy types ("Quotas and service limits for AWS Organizations", and each type's page in the
 * user guide). Sizes in characters.
 */
type TypeFacts = {
  readonly size: number
  /** How many one root, unit or account may have attached, and how many one organization may hold. */
  readonly attached: number
  readonly held: number
  /** Management policies: the one member a document begins with. */
  readonly top?: string
  /** A service whose trusted access must be on first. */
  readonly needs?: string
}

const management = (top: string, facts: Partial<TypeFacts> = {}): TypeFacts => ({
  size: 10_000,
  attached: 10,
  held: 1000,
  top,
  ...facts,
})

export const policyTypes: Readonly<Record<PolicyType, TypeFacts>> = {
  SERVICE_CONTROL_POLICY: { size: 5120, attached: 5, held: 10_000 },
  RESOURCE_CONTROL_POLICY: { size: 5120, attached: 5, held: 1000 },
  TAG_POLICY: management('tags'),
  BACKUP_POLICY: management('plans'),
  AISERVICES_OPT_OUT_POLICY: management('services', { size: 2500, attached: 5 }),
  CHATBOT_POLICY: management('chatbot', { attached: 5 }),
  DECLARATIVE_POLICY_EC2: management('ec2_attributes'),
  SECURITYHUB_POLICY: management('securityhub', { needs: 'securityhub.amazonaws.com' }),
  INSPECTOR_POLICY: management('inspector'),
  UPGRADE_ROLLOUT_POLICY: management('upgrade_rollout', { size: 5120 }),
  BEDROCK_POLICY: management('bedrock'),
  S3_POLICY: management('s3_attributes'),
  NETWORK_SECURITY_DIRECTOR_POLICY: management('network_security_director'),
  // Too new: what stands in them is not documented.
  GUARDDUTY_POLICY: management(''),
  SECURITYHUB_CSPM_POLICY: management(''),
}

/** Control policies decide on calls; all others are management policies, from which an effective one is computed. */
export const isControl = (type: PolicyType): type is Exclude<PolicyType, EffectivePolicyType> =>
  type === 'SERVICE_CONTROL_POLICY' || type === 'RESOURCE_CONTROL_POLICY'
