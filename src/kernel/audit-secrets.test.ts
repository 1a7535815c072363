import { expect, test } from 'vitest'
import { redacted } from './audit.ts'
import { schemaOf, serviceModel } from './model/catalog.ts'
import { clientModules, type ServiceId } from './model/clients.ts'
import { withoutSecrets } from './model/secrets.ts'
import type { Member, Shape } from './model/shapes.ts'

const marker = 'correct-horse-battery-staple'

/** A value with everything a shape may have, a few levels deep; what the model calls sensitive is the marker. */
const full = (shape: Shape, sensitive: boolean, depth = 0): unknown => {
  const inside = (member: Member) => full(member.shape, sensitive || member.traits.sensitive === 1, depth + 1)
  switch (shape.kind) {
    case 'structure':
      if (depth > 5) return {}
      return Object.fromEntries(shape.members.map((member) => [member.name, inside(member)]))
    case 'list':
      return depth > 5 ? [] : [inside(shape.member)]
    case 'map':
      return depth > 5 ? {} : { [sensitive || shape.key.traits.sensitive === 1 ? marker : 'key']: inside(shape.value) }
    case 'string':
      return sensitive ? marker : 'plain'
    case 'blob':
      return sensitive ? Buffer.from(marker) : new Uint8Array(1)
    case 'number':
      return 1
    case 'timestamp':
      return new Date(0)
    default:
      return true
  }
}

test.each(Object.keys(clientModules) as ServiceId[])(
  'no record of %s holds what its model calls sensitive',
  async (id) => {
    const model = await serviceModel(id)
    const told: string[] = []
    for (const name of model.operationNames) {
      const operation = model.operation(name)
      if (!operation) continue
      const { input, output } = schemaOf(operation)
      for (const shape of [input, output]) {
        const text = JSON.stringify(redacted(withoutSecrets(shape, full(shape, false)))) ?? ''
        if (text.includes(marker)) told.push(name)
      }
    }
    expect(model.operationNames.length).toBeGreaterThan(0)
    expect(told).toEqual([])
  },
)
