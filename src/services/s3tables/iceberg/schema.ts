import * as z from 'zod'
import { InvalidMetadataError } from './invalid.ts'

// Schemas of tables ("Schemas and Data Types", Apache Iceberg table specification). A pure engine.

export type IcebergType = string | StructType | ListType | MapType
type StructType = { readonly type: 'struct'; readonly fields: readonly Field[] }
type ListType = {
  readonly type: 'list'
  readonly 'element-id': number
  readonly element: IcebergType
  readonly 'element-required': boolean
}
type MapType = {
  readonly type: 'map'
  readonly 'key-id': number
  readonly key: IcebergType
  readonly 'value-id': number
  readonly value: IcebergType
  readonly 'value-required': boolean
}
export type Field = {
  readonly id: number
  readonly name: string
  readonly type: IcebergType
  readonly required: boolean
  readonly doc?: string | undefined
}
export type Schema = StructType & {
  readonly 'schema-id': number
  readonly 'identifier-field-ids'?: readonly number[] | undefined
}

const primitives =
  /^(boolean|int|long|float|double|date|time|timestamp|timestamptz|string|uuid|binary|fixed\[\d{1,9}\]|decimal\(\s*([1-9]|[12]\d|3[0-8])\s*,\s*\d{1,2}\s*\))$/

const id = z.int().positive()
const Type: z.ZodType<IcebergType> = z.lazy(() =>
  z.union([
    z.string().regex(primitives, 'is no type that tables can have'),
    z.object({ type: z.literal('struct'), fields: z.array(FieldShape) }),
    z.object({ type: z.literal('list'), 'element-id': id, element: Type, 'element-required': z.boolean() }),
    z.object({
      type: z.literal('map'),
      'key-id': id,
      key: Type,
      'value-id': id,
      value: Type,
      'value-required': z.boolean(),
    }),
  ]),
)
const FieldShape: z.ZodType<Field> = z.object({
  id,
  name: z.string().min(1),
  type: Type,
  required: z.boolean(),
  doc: z.string().optional(),
})
export const SchemaShape = z.object({
  type: z.literal('struct'),
  'schema-id': z.int().default(0),
  'identifier-field-ids': z.array(id).optional(),
  fields: z.array(FieldShape).max(10_000),
})

/** Every field by its id, those within fields too. */
export const fieldsById = ({ fields }: StructType): Map<number, IcebergType> => {
  const found = new Map<number, IcebergType>()
  const add = (fieldId: number, type: IcebergType): void => {
    if (found.has(fieldId)) throw new InvalidMetadataError(`The field id ${fieldId} stands for more than one field.`)
    found.set(fieldId, type)
    walk(type)
  }
  const walk = (type: IcebergType): void => {
    if (typeof type === 'string') return
    if (type.type === 'list') add(type['element-id'], type.element)
    else if (type.type === 'map') {
      add(type['key-id'], type.key)
      add(type['value-id'], type.value)
    } else for (const field of type.fields) add(field.id, field.type)
  }
  for (const field of fields) add(field.id, field.type)
  return found
}

export const highestId = (schema: StructType): number => Math.max(0, ...fieldsById(schema).keys())

/** Names must tell fields apart, ids too, and what names ids must name some that are there. Throws InvalidMetadataError. */
export const checkSchema = (schema: Schema): void => {
  const known = fieldsById(schema)
  const names = schema.fields.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw new InvalidMetadataError(`The schema has more than one field ${twice}.`)
  for (const each of schema['identifier-field-ids'] ?? [])
    if (typeof known.get(each) !== 'string')
      throw new InvalidMetadataError(`The identifier field id ${each} names no field of a primitive type.`)
}

/** A schema with ids counted from 1, a level's before those below it, and what the ids were before. */
export const withFreshIds = (schema: Schema): { schema: Schema; fresh: ReadonlyMap<number, number> } => {
  const fresh = new Map<number, number>()
  let last = 0
  const next = (old: number): number => {
    fresh.set(old, ++last)
    return last
  }
  const inside = (type: IcebergType): IcebergType => {
    if (typeof type === 'string') return type
    if (type.type === 'struct') return { ...type, fields: fieldsOf(type.fields) }
    if (type.type === 'list') {
      const elementId = next(type['element-id'])
      return { ...type, 'element-id': elementId, element: inside(type.element) }
    }
    const keyId = next(type['key-id'])
    const valueId = next(type['value-id'])
    return { ...type, 'key-id': keyId, key: inside(type.key), 'value-id': valueId, value: inside(type.value) }
  }
  const fieldsOf = (fields: readonly Field[]): Field[] => {
    const numbered = fields.map((field) => ({ ...field, id: next(field.id) }))
    return numbered.map((field) => ({ ...field, type: inside(field.type) }))
  }
  const fields = fieldsOf(schema.fields)
  const identifiers = schema['identifier-field-ids']?.map((old) => fresh.get(old) ?? old)
  return { schema: { ...schema, fields, ...(identifiers ? { 'identifier-field-ids': identifiers } : {}) }, fresh }
}
