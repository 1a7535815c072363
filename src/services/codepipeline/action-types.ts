import { actionKinds } from './actions/kinds.ts'
import { fail, type Operation } from './operation.ts'

/** AWS API: "ListActionTypes". Those that work here, and no others. */
export const ListActionTypes: Operation<'ListActionTypes'> = (ctx, { actionOwnerFilter, regionFilter, nextToken }) => {
  // All fit on the first page.
  if (nextToken !== undefined)
    throw fail('InvalidNextTokenException', 'The next token was specified in an invalid format.')
  const here = regionFilter === undefined || regionFilter === ctx.region
  const kinds = here && (actionOwnerFilter ?? 'AWS') === 'AWS' ? actionKinds : []
  return {
    actionTypes: kinds.map(({ category, provider, properties, inputs, outputs }) => ({
      id: { category, owner: 'AWS', provider, version: '1' },
      settings: {},
      actionConfigurationProperties: properties.map(({ name, required, description }) => ({
        name,
        required,
        key: required,
        secret: false,
        queryable: false,
        description,
        type: 'String',
      })),
      inputArtifactDetails: { minimumCount: inputs[0], maximumCount: inputs[1] },
      outputArtifactDetails: { minimumCount: outputs[0], maximumCount: outputs[1] },
    })),
  }
}
