import type { EffectivePolicyType } from '@aws-sdk/client-organizations'
import { MalformedManagementPolicy, type Scalar, type Setting } from './management-policy.ts'

// What may stand where in a management policy, as far as each type's page in the Organizations user guide says.

type Shape = (setting: Setting, path: string) => void

const wrong = (path: string, what: string) => new MalformedManagementPolicy(`${path}: ${what}`)

const anything: Shape = () => {}

const valuesOf = ({ assign, append = [], remove = [] }: Setting): readonly Scalar[] => [
  ...(assign === undefined ? [] : Array.isArray(assign) ? assign : [assign as Scalar]),
  ...append,
  ...remove,
]

const leaf = (setting: Setting, path: string) => {
  if (setting.inside.size > 0) throw wrong(path, 'has no members')
}

/** One value, of these where they are told. */
const one =
  (...values: readonly Scalar[]): Shape =>
  (setting, path) => {
    leaf(setting, path)
    if (Array.isArray(setting.assign) || setting.append || setting.remove) throw wrong(path, 'takes a single value')
    for (const value of valuesOf(setting))
      if (values.length > 0 && !values.includes(value)) throw wrong(path, `takes one of ${values.join(', ')}`)
  }

/** Several values. */
const many: Shape = (setting, path) => {
  leaf(setting, path)
  if (setting.assign !== undefined && !Array.isArray(setting.assign)) throw wrong(path, 'takes a list')
}

const container = (setting: Setting, path: string) => {
  if (valuesOf(setting).length > 0) throw wrong(path, 'takes no value')
}

/** Members of these names. */
const members =
  (shapes: Readonly<Record<string, Shape>>): Shape =>
  (setting, path) => {
    container(setting, path)
    for (const [name, child] of setting.inside) {
      const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined
      if (!shape) throw wrong(`${path}.${name}`, 'is unknown')
      shape(child, `${path}.${name}`)
    }
  }

/** Members of any name, all alike. */
const each =
  (shape: Shape): Shape =>
  (setting, path) => {
    container(setting, path)
    for (const [name, child] of setting.inside) shape(child, `${path}.${name}`)
  }

const regions = members({ enable_in_regions: many, disable_in_regions: many })
const patchOrder = members({ patch_order: one('first', 'second', 'last') })

const shapes: Readonly<Record<EffectivePolicyType, Shape>> = {
  TAG_POLICY: members({
    tags: each(members({ tag_key: one(), tag_value: many, enforced_for: many, report_required_tag_for: many })),
  }),
  BACKUP_POLICY: members({
    plans: each(
      members({
        rules: each(anything),
        regions: many,
        selections: anything,
        advanced_backup_settings: anything,
        backup_plan_tags: each(anything),
        scan_settings: anything,
      }),
    ),
  }),
  AISERVICES_OPT_OUT_POLICY: members({ services: each(members({ opt_out_policy: one('optIn', 'optOut') })) }),
  CHATBOT_POLICY: members({ chatbot: anything }),
  DECLARATIVE_POLICY_EC2: members({ ec2_attributes: each(anything) }),
  SECURITYHUB_POLICY: members({ securityhub: regions }),
  INSPECTOR_POLICY: members({ inspector: members({ enablement: anything }) }),
  UPGRADE_ROLLOUT_POLICY: members({
    upgrade_rollout: members({
      default: patchOrder,
      tags: each(members({ tag_values: each(patchOrder) })),
    }),
  }),
  BEDROCK_POLICY: members({ bedrock: members({ guardrail_inference: each(each(anything)) }) }),
  S3_POLICY: members({ s3_attributes: members({ public_access_block_configuration: one('all', 'none') }) }),
  NETWORK_SECURITY_DIRECTOR_POLICY: members({
    network_security_director: members({ enablement: members({ network_security_scan: regions }) }),
  }),
  GUARDDUTY_POLICY: anything,
  SECURITYHUB_CSPM_POLICY: anything,
}

/** Throws MalformedManagementPolicy. */
export const checkShape = (type: EffectivePolicyType, policy: Setting): void => shapes[type](policy, '$')
