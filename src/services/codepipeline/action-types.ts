import { actionKinds } from './actions/kinds.ts'
import { CustomType, toActionType, typeKey } from './custom-type.ts'
import type { Operation, Output } from './operation.ts'
import { pageOf, positionOf } from './page.ts'

type ActionType = NonNullable<NonNullable<Output<'ListActionTypes'>['actionTypes']>[number]>

const pageSize = 100

const ofAws = (): ActionType[] =>
  actionKinds.map(({ category, provider, properties, inputs, outputs }) => ({
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
  }))

/** AWS API: "ListActionTypes". Of AWS's those that work here, in any Region; the Region's: the account's own, third parties' that it may use. */
export const ListActionTypes: Operation<'ListActionTypes'> = async (ctx, input) => {
  const after = positionOf(input.nextToken)
  const there = ctx.at({ account: ctx.account, region: input.regionFilter ?? ctx.region })
  const others = await there.read((tx) => tx.list(CustomType))
  const usable = others.filter(
    ({ deleted, allowed }) => !deleted && (!allowed || allowed.includes('*') || allowed.includes(ctx.account)),
  )
  const found = [...ofAws(), ...usable.map(toActionType)]
    .flatMap((type) => type ?? [])
    .filter(({ id }) => (input.actionOwnerFilter ?? id?.owner) === id?.owner)
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    .filter((type) => after === undefined || keyOf(type) > after)
  const { page, ...rest } = pageOf(found, pageSize, keyOf)
  return { actionTypes: [...page], ...rest }
}

const keyOf = ({ id }: ActionType): string =>
  typeKey({
    owner: id?.owner ?? '',
    category: id?.category ?? '',
    provider: id?.provider ?? '',
    version: id?.version ?? '',
  })
