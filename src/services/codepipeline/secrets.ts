import type { Ctx } from '../../kernel/context.ts'
import type { CustomTypeRecord } from './custom-type.ts'
import { type Declaration, fail } from './operation.ts'

// Secret values of an action's configuration are sealed at rest, shown as `****`, and opened for the worker only.

const mark = '\u0000sealed:'
const mask = '****'

type Configuration = Readonly<Record<string, string>>

const isSealed = (value: string) => value.startsWith(mark)

/** As anybody may see it. */
export const masked = (configuration: Configuration): Record<string, string> =>
  Object.fromEntries(Object.entries(configuration).map(([key, value]) => [key, isSealed(value) ? mask : value]))

/** As the worker sees it. */
export const opened = (ctx: Pick<Ctx, 'unseal'>, configuration: Configuration): Record<string, string> =>
  Object.fromEntries(
    Object.entries(configuration).map(([key, value]) => [
      key,
      isSealed(value) ? ctx.unseal(value.slice(mark.length)) : value,
    ]),
  )

/** The declaration with its secrets sealed; `****` stands for what the action's configuration held before. */
export const sealedDeclaration = (
  ctx: Pick<Ctx, 'seal'>,
  declaration: Declaration,
  typeOf: (id: Declaration['stages'][number]['actions'][number]['actionTypeId']) => CustomTypeRecord | undefined,
  before?: Declaration,
): Declaration => ({
  ...declaration,
  stages: declaration.stages.map((stage) => ({
    ...stage,
    actions: stage.actions.map((action) => {
      const { configuration = {} } = action
      if (Object.values(configuration).some(isSealed))
        throw fail('ValidationException', `The configuration of action '${action.name}' holds a control character`)
      const secret = typeOf(action.actionTypeId)?.properties.filter((property) => property.secret) ?? []
      if (secret.length === 0) return action
      const old = before?.stages
        .find(({ name }) => name === stage.name)
        ?.actions.find(({ name }) => name === action.name)?.configuration
      const sealed = Object.entries(configuration).map(([key, value]) => {
        if (!secret.some(({ name }) => name === key)) return [key, value] as const
        return [key, (value === mask && old?.[key]) || `${mark}${ctx.seal(value)}`] as const
      })
      return { ...action, configuration: Object.fromEntries(sealed) }
    }),
  })),
})
