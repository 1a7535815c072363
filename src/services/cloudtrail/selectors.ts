import type { AdvancedEventSelector, AdvancedFieldSelector, EventSelector } from '@aws-sdk/client-cloudtrail'
import type { AuditRecord } from '../../kernel/audit.ts'
import { fail } from './operation.ts'

// Which events a trail or an event data store takes ("Logging management events", "Logging data events", "Logging
// network activity events" in the user guide): checked once when given, turned into one predicate to match with.

export type Selectors =
  | { readonly kind: 'basic'; readonly selectors: readonly EventSelector[] }
  | { readonly kind: 'advanced'; readonly selectors: readonly AdvancedEventSelector[] }

export type Matcher = (record: AuditRecord) => boolean

/** What a new trail has: all management events, no data events. */
export const everyManagementEvent: Selectors = {
  kind: 'basic',
  selectors: [
    { ReadWriteType: 'All', IncludeManagementEvents: true, DataResources: [], ExcludeManagementEventSources: [] },
  ],
}

/** What a new event data store has. */
export const everyManagementEventOfStore: Selectors = {
  kind: 'advanced',
  selectors: [
    { Name: 'Default management events', FieldSelectors: [{ Field: 'eventCategory', Equals: ['Management'] }] },
  ],
}

const MOST_BASIC = 5
const MOST_DATA_RESOURCES = 250
const MOST_VALUES = 500
/** Types that basic selectors know. */
const basicTypes = ['AWS::S3::Object', 'AWS::Lambda::Function', 'AWS::DynamoDB::Table']
const excludable = ['kms.amazonaws.com', 'rdsdata.amazonaws.com']

const invalid = (message: string) => fail('InvalidEventSelectorsException', message)

/** Basic selectors as they are kept, defaults filled in. Throws InvalidEventSelectorsException. */
export const basicSelectors = (given: readonly EventSelector[]): Selectors => {
  if (given.length === 0 || given.length > MOST_BASIC)
    throw invalid(`The number of event selectors must be between 1 and ${MOST_BASIC}.`)
  const selectors = given.map((selector) => {
    const { DataResources = [], ExcludeManagementEventSources = [], IncludeManagementEvents = true } = selector
    for (const source of ExcludeManagementEventSources)
      if (!excludable.includes(source))
        throw invalid(
          `Value ${source} for ExcludeManagementEventSources is invalid: only ${excludable.join(', ')} can be excluded.`,
        )
    if (ExcludeManagementEventSources.length > 0 && !IncludeManagementEvents)
      throw invalid('ExcludeManagementEventSources needs IncludeManagementEvents to be true.')
    for (const { Type, Values = [] } of DataResources) {
      if (Type === undefined || !basicTypes.includes(Type))
        throw invalid(
          `The value ${Type} for field DataResources.Type is invalid: it must be one of ${basicTypes.join(', ')}.`,
        )
      for (const value of Values)
        if (!dataValue[Type]?.test(value)) throw invalid(`Value ${value} for DataResources.Values is invalid.`)
    }
    return {
      ReadWriteType: selector.ReadWriteType ?? ('All' as const),
      IncludeManagementEvents,
      DataResources,
      ExcludeManagementEventSources,
    }
  })
  const values = selectors.flatMap(({ DataResources }) => DataResources.flatMap(({ Values = [] }) => Values))
  if (values.length > MOST_DATA_RESOURCES)
    throw invalid(
      `The total number of data resources must not exceed ${MOST_DATA_RESOURCES} across all event selectors of a trail.`,
    )
  return { kind: 'basic', selectors }
}

/** ARNs or their beginnings, and what stands for all of a kind. */
const dataValue: Readonly<Record<string, RegExp>> = {
  'AWS::S3::Object': /^arn:aws:s3(:::([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/.*)?)?$/s,
  'AWS::Lambda::Function': /^arn:aws:lambda(:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+)?$/,
  'AWS::DynamoDB::Table': /^arn:aws:dynamodb(:[a-z0-9-]+:\d{12}:table\/[A-Za-z0-9_.-]+)?$/,
}

type Operator = Exclude<keyof AdvancedFieldSelector, 'Field'>
const operators = [
  'Equals',
  'StartsWith',
  'EndsWith',
  'NotEquals',
  'NotStartsWith',
  'NotEndsWith',
] as const satisfies Operator[]

type Category = 'Management' | 'Data' | 'NetworkActivity'
const any = operators
/** Fields of each category with the operators they take (API reference, AdvancedFieldSelector). */
const fields: Readonly<Record<Category, Readonly<Record<string, readonly Operator[]>>>> = {
  Management: {
    eventCategory: ['Equals'],
    readOnly: ['Equals'],
    eventSource: any,
    eventName: any,
    eventType: any,
    sessionCredentialFromConsole: ['Equals', 'NotEquals'],
    'userIdentity.arn': any,
  },
  Data: {
    eventCategory: ['Equals'],
    'resources.type': ['Equals'],
    'resources.ARN': any,
    readOnly: ['Equals'],
    eventName: any,
    eventSource: any,
    eventType: any,
    sessionCredentialFromConsole: ['Equals', 'NotEquals'],
    'userIdentity.arn': any,
  },
  NetworkActivity: {
    eventCategory: ['Equals'],
    eventSource: ['Equals'],
    eventName: any,
    errorCode: ['Equals'],
    vpcEndpointId: any,
  },
}
const isCategory = (name: string | undefined): name is Category => name !== undefined && Object.hasOwn(fields, name)
const resourceType = /^AWS::[A-Za-z0-9]+::[A-Za-z0-9]+$/

/**
 * Advanced selectors as they are kept. `only` narrows the categories (none of NetworkActivity for what cannot log it).
 * Throws InvalidEventSelectorsException.
 */
export const advancedSelectors = (given: readonly AdvancedEventSelector[]): Selectors => {
  if (given.length === 0) throw invalid('At least one advanced event selector is needed.')
  let values = 0
  for (const { FieldSelectors = [] } of given) {
    const seen = new Set<string>()
    const category = FieldSelectors.find(({ Field }) => Field === 'eventCategory')?.Equals
    const [name] = category ?? []
    if (category?.length !== 1 || !isCategory(name))
      throw invalid(
        'A field selector eventCategory with exactly one value Equals Management, Data or NetworkActivity is needed.',
      )
    for (const selector of FieldSelectors) {
      const { Field = '' } = selector
      const allowed = fields[name][Field]
      if (!allowed) throw invalid(`Field ${Field} is not valid for the event category ${name}.`)
      if (seen.has(Field)) throw invalid(`Field ${Field} is given more than once in one selector.`)
      seen.add(Field)
      const used = operators.filter((operator) => selector[operator] !== undefined)
      if (used.length === 0) throw invalid(`Field ${Field} needs at least one operator.`)
      for (const operator of used) {
        if (!allowed.includes(operator)) throw invalid(`Operator ${operator} is not valid for field ${Field}.`)
        const operands = selector[operator] ?? []
        if (operands.length === 0) throw invalid(`Operator ${operator} of field ${Field} needs at least one value.`)
        values += operands.length
      }
      checkValues(name, selector)
    }
    if (name === 'Data' && !seen.has('resources.type'))
      throw invalid('Data events need a field selector resources.type.')
    if (name === 'NetworkActivity' && !seen.has('eventSource'))
      throw invalid('Network activity events need a field selector eventSource.')
  }
  if (values > MOST_VALUES)
    throw invalid(`There are more than ${MOST_VALUES} values in all conditions of the selectors.`)
  return { kind: 'advanced', selectors: given }
}

const checkValues = (category: Category, { Field, Equals = [] }: AdvancedFieldSelector): void => {
  const booleans = Field === 'readOnly' || Field === 'sessionCredentialFromConsole'
  if (booleans && (Equals.length > 1 || Equals.some((value) => value !== 'true' && value !== 'false')))
    throw invalid(`Field ${Field} takes one value, true or false.`)
  if (Field === 'resources.type' && (Equals.length !== 1 || !resourceType.test(Equals[0] ?? '')))
    throw invalid('Field resources.type takes exactly one resource type, such as AWS::S3::Object.')
  if (category === 'NetworkActivity' && Field === 'errorCode' && Equals.some((value) => value !== 'VpceAccessDenied'))
    throw invalid('The only valid value of errorCode is VpceAccessDenied.')
}

/** Resource types of data events that have another name in ARNs' elements; a record's `resources` say theirs. */
const typesOf = (record: AuditRecord): ReadonlySet<string> =>
  new Set((record.resources ?? []).flatMap(({ type }) => (type === undefined ? [] : [type])))

/** One predicate over records; compile once per batch of events. */
export const matcher = (selectors: Selectors): Matcher => {
  const each =
    selectors.kind === 'basic' ? selectors.selectors.map(basicMatcher) : selectors.selectors.map(advancedMatcher)
  return (record) => each.some((matches) => matches(record))
}

const basicMatcher = (selector: EventSelector): Matcher => {
  const { ReadWriteType, IncludeManagementEvents, DataResources = [], ExcludeManagementEventSources = [] } = selector
  return (record) => {
    if (ReadWriteType === 'ReadOnly' && !record.readOnly) return false
    if (ReadWriteType === 'WriteOnly' && record.readOnly) return false
    if (record.managementEvent)
      return IncludeManagementEvents === true && !ExcludeManagementEventSources.includes(record.eventSource)
    const types = typesOf(record)
    return DataResources.some(
      ({ Type, Values = [] }) =>
        Type !== undefined &&
        types.has(Type) &&
        Values.some((value) => record.resources?.some(({ ARN }) => covers(Type, value, ARN))),
    )
  }
}

/** A bucket's ARN with a slash, a prefix of its keys, or a function's or table's own ARN; without name: all of them. */
const covers = (type: string, value: string, arn: string | undefined): boolean =>
  arn !== undefined &&
  (arn === value || (type === 'AWS::S3::Object' ? arn.startsWith(value) : value.split(':').length === 3))

const advancedMatcher = ({ FieldSelectors = [] }: AdvancedEventSelector): Matcher => {
  const type = FieldSelectors.find(({ Field }) => Field === 'resources.type')?.Equals?.[0]
  const conditions = FieldSelectors.map((selector) => {
    const read = reader(selector.Field ?? '', type)
    const satisfied = condition(selector)
    return (record: AuditRecord) => satisfied(read(record))
  })
  return (record) => conditions.every((holds) => holds(record))
}

/** Values of a field; `resources.ARN` is of the resources of the type selected. */
const reader = (field: string, type: string | undefined): ((record: AuditRecord) => readonly string[]) => {
  switch (field) {
    case 'eventCategory':
      return (record) => [record.eventCategory]
    case 'readOnly':
      return (record) => [String(record.readOnly)]
    case 'eventSource':
      return (record) => [record.eventSource]
    case 'eventName':
      return (record) => [record.eventName]
    case 'eventType':
      return (record) => [record.eventType]
    case 'errorCode':
      return (record) => [record.errorCode ?? '']
    case 'vpcEndpointId':
      return () => ['']
    case 'sessionCredentialFromConsole':
      return () => ['false']
    case 'userIdentity.arn':
      return (record) => [typeof record.userIdentity.arn === 'string' ? record.userIdentity.arn : '']
    case 'resources.type':
      return (record) => [...typesOf(record)]
    default:
      return (record) =>
        (record.resources ?? [])
          .filter((resource) => resource.type === type)
          .map(({ ARN, ARNPrefix }) => ARN ?? ARNPrefix ?? '')
  }
}

/** Positive operators: one of all their values must match. Negative ones: none may. */
const condition = (selector: AdvancedFieldSelector): ((values: readonly string[]) => boolean) => {
  const { Equals = [], StartsWith = [], EndsWith = [], NotEquals = [], NotStartsWith = [], NotEndsWith = [] } = selector
  const positive = Equals.length + StartsWith.length + EndsWith.length > 0
  const finds = (equals: readonly string[], starts: readonly string[], ends: readonly string[]) => (value: string) =>
    equals.includes(value) || starts.some((start) => value.startsWith(start)) || ends.some((end) => value.endsWith(end))
  const wanted = finds(Equals, StartsWith, EndsWith)
  const unwanted = finds(NotEquals, NotStartsWith, NotEndsWith)
  return (values) => (!positive || values.some(wanted)) && !values.some(unwanted)
}
