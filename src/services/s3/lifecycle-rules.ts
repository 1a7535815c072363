import type { Input } from './operation.ts'
import { fail, malformedXml } from './operation.ts'
import { checkTags, type Tag } from './tags.ts'

// What a lifecycle configuration says of an object ("Managing the lifecycle of objects", S3 user guide). A pure engine.

type WireConfiguration = NonNullable<Input<'PutBucketLifecycleConfiguration'>['LifecycleConfiguration']>
type WireRule = NonNullable<WireConfiguration['Rules']>[number]

const DAY = 86_400_000

/** Classes as transitions go through them: only downwards. */
const waterfall = [
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'INTELLIGENT_TIERING',
  'ONEZONE_IA',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
] as const
export type TransitionClass = (typeof waterfall)[number]

/** After so many days, or at a date (epoch milliseconds). */
type When = { readonly days: number } | { readonly date: number }
type Transition = { readonly when: When; readonly to: TransitionClass }

export type LifecycleRule = {
  readonly id: string
  readonly prefix: string
  readonly tags: readonly Tag[]
  /** Bytes, both exclusive. */
  readonly largerThan?: number
  readonly smallerThan?: number
  readonly expiration?: When
  readonly dropsLoneMarkers: boolean
  readonly transitions: readonly Transition[]
  readonly noncurrent?: { readonly days: number; readonly keep: number }
  readonly noncurrentTransitions: readonly {
    readonly days: number
    readonly keep: number
    readonly to: TransitionClass
  }[]
  readonly abortAfterDays?: number
}

/** The configuration as it is kept: S3's own document, times as ISO text, every rule with an id. */
export type LifecycleDocument = {
  readonly rules: readonly unknown[]
  readonly minimumSize: 'all_storage_classes_128K' | 'varies_by_storage_class'
}

const invalidRequest = (message: string) => fail('InvalidRequest', message)
const invalidArgument = (message: string) => fail('InvalidArgument', message)

const filterOf = ({ Filter: filter, Prefix }: WireRule) => {
  const all = filter?.And
  return {
    prefix: Prefix ?? filter?.Prefix ?? all?.Prefix ?? '',
    tags: [...(filter?.Tag ? [filter.Tag] : []), ...(all?.Tags ?? [])],
    largerThan: filter?.ObjectSizeGreaterThan ?? all?.ObjectSizeGreaterThan,
    smallerThan: filter?.ObjectSizeLessThan ?? all?.ObjectSizeLessThan,
  }
}

const largestBound = 50 * 1024 ** 4

const checkFilter = (rule: WireRule): void => {
  const { Filter: filter, Prefix } = rule
  if ((filter === undefined) === (Prefix === undefined)) throw malformedXml()
  const given = [filter?.Prefix, filter?.Tag, filter?.And, filter?.ObjectSizeGreaterThan, filter?.ObjectSizeLessThan]
  if (given.filter((each) => each !== undefined).length > 1) throw malformedXml()
  const { And: all } = filter ?? {}
  if (all) {
    const parts = [all.Prefix, all.ObjectSizeGreaterThan, all.ObjectSizeLessThan].filter((each) => each !== undefined)
    if (parts.length + (all.Tags?.length ?? 0) < 2) throw malformedXml()
  }
  const { prefix, tags, largerThan, smallerThan } = filterOf(rule)
  if (Buffer.byteLength(prefix) > 1024) throw invalidRequest('The maximum size of a prefix is 1024.')
  checkTags(tags, 'object')
  for (const bound of [largerThan, smallerThan])
    if (bound !== undefined && (bound < 0 || bound > largestBound))
      throw invalidRequest("'ObjectSizeGreaterThan' and 'ObjectSizeLessThan' must be between 0 and 50 TB")
  if (smallerThan !== undefined && smallerThan < 1)
    throw invalidRequest("'ObjectSizeLessThan' must be a positive integer")
  if (largerThan !== undefined && smallerThan !== undefined && smallerThan <= largerThan)
    throw invalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")
}

const checkDate = (date: Date): void => {
  if (date.getTime() % DAY !== 0) throw invalidArgument("'Date' must be at midnight GMT")
}

const positive = (days: number | undefined, action: string): void => {
  if (days !== undefined && (!Number.isInteger(days) || days < 1 || days > 2_147_483_647))
    throw invalidArgument(`'Days' for ${action} action must be a positive integer`)
}

const isTarget = (name: string | undefined): name is TransitionClass =>
  waterfall.some((each) => each === name) && name !== 'STANDARD' && name !== 'REDUCED_REDUNDANCY'

const checkExpiration = (rule: WireRule): void => {
  const { Expiration: expiration, NoncurrentVersionExpiration: noncurrent } = rule
  if (expiration) {
    const { Days, Date: date, ExpiredObjectDeleteMarker: marker } = expiration
    if ([Days, date, marker].filter((each) => each !== undefined).length !== 1) throw malformedXml()
    positive(Days, 'Expiration')
    if (date) checkDate(date)
    const { tags, largerThan, smallerThan } = filterOf(rule)
    if (marker !== undefined && tags.length > 0)
      throw invalidRequest('ExpiredObjectDeleteMarker cannot be specified with Tags.')
    if (marker !== undefined && (largerThan !== undefined || smallerThan !== undefined))
      throw invalidRequest('ExpiredObjectDeleteMarker cannot be specified with Object Size.')
  }
  if (!noncurrent) return
  if (noncurrent.NoncurrentDays === undefined) throw malformedXml()
  positive(noncurrent.NoncurrentDays, 'NoncurrentVersionExpiration')
  checkKept(rule, noncurrent.NewerNoncurrentVersions)
}

const checkKept = (rule: WireRule, kept: number | undefined): void => {
  if (kept === undefined) return
  if (kept < 1 || kept > 100)
    throw invalidArgument("'NewerNoncurrentVersions' must be a positive integer less than or equal to 100")
  if (rule.Prefix !== undefined) throw invalidRequest("'Filter' element is required with 'NewerNoncurrentVersions'")
}

const checkTransitions = (rule: WireRule): void => {
  const { Transitions: transitions = [], NoncurrentVersionTransitions: noncurrent = [], Expiration: expiration } = rule
  const seen = new Set<string>()
  for (const { Days, Date: date, StorageClass } of transitions) {
    if ((Days === undefined) === (date === undefined) || !isTarget(StorageClass)) throw malformedXml()
    if (seen.has(StorageClass))
      throw invalidRequest(
        `'StorageClass' must be different for 'Transition' actions in same 'Rule' with ID '${rule.ID}'`,
      )
    seen.add(StorageClass)
    if (Days !== undefined && Days < 0) throw invalidArgument("'Days' in Transition action must be nonnegative")
    if (date) checkDate(date)
    if (/_IA$/.test(StorageClass) && Days !== undefined && Days < 30)
      throw invalidArgument(
        `'Days' in Transition action must be greater than or equal to 30 for storageClass '${StorageClass}'`,
      )
    if (Days !== undefined && expiration?.Days !== undefined && expiration.Days <= Days)
      throw invalidArgument(
        `'Days' in the Expiration action for filter '(prefix=${filterOf(rule).prefix})' must be greater than 'Days' in the Transition action`,
      )
  }
  if (
    new Set(
      [...transitions, ...(expiration?.ExpiredObjectDeleteMarker === undefined && expiration ? [expiration] : [])].map(
        ({ Days }) => Days === undefined,
      ),
    ).size > 1
  )
    throw invalidRequest(
      `Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '(prefix=${filterOf(rule).prefix})'`,
    )
  const noncurrentSeen = new Set<string>()
  for (const { NoncurrentDays, StorageClass, NewerNoncurrentVersions } of noncurrent) {
    if (NoncurrentDays === undefined || !isTarget(StorageClass) || noncurrentSeen.has(StorageClass))
      throw malformedXml()
    noncurrentSeen.add(StorageClass)
    if (NoncurrentDays < 0)
      throw invalidArgument("'NoncurrentDays' in NoncurrentVersionTransition action must be nonnegative")
    if (/_IA$/.test(StorageClass) && NoncurrentDays < 30)
      throw invalidArgument(
        `'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to 30 for storageClass '${StorageClass}'`,
      )
    checkKept(rule, NewerNoncurrentVersions)
    const expires = rule.NoncurrentVersionExpiration?.NoncurrentDays
    if (expires !== undefined && expires <= NoncurrentDays)
      throw invalidArgument(
        `'NoncurrentDays' in the NoncurrentVersionExpiration action for filter '(prefix=${filterOf(rule).prefix})' must be greater than 'NoncurrentDays' in the NoncurrentVersionTransition action`,
      )
  }
}

/**
 * Colder classes come later; beyond the infrequent access classes' 30 days, where archives follow them ("Transitioning
 * objects", S3 user guide).
 */
const checkOrder = (
  rule: WireRule,
  element: 'Days' | 'NoncurrentDays',
  transitions: readonly { readonly days: number | undefined; readonly to: string | undefined }[],
): void => {
  for (const { days = 0, to = '' } of transitions)
    for (const { days: later, to: colder = '' } of transitions) {
      if (later === undefined || rankOf(colder) <= rankOf(to)) continue
      const rests = /_IA$/.test(to) && /^(GLACIER|DEEP)/.test(colder)
      if (rests ? later >= days + 30 : later > days) continue
      const filter = `(prefix=${filterOf(rule).prefix})`
      throw invalidArgument(
        `'${element}' in the Transition action for StorageClass '${colder}' for filter '${filter}' must be ${rests ? '30 days more' : 'greater'} than '${element}' in the Transition action for StorageClass '${to}'`,
      )
    }
}

const checkAbort = (rule: WireRule): void => {
  const { AbortIncompleteMultipartUpload: abort } = rule
  if (!abort) return
  if (abort.DaysAfterInitiation === undefined) throw malformedXml()
  if (abort.DaysAfterInitiation < 1)
    throw invalidArgument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
  const { tags, largerThan, smallerThan } = filterOf(rule)
  if (tags.length > 0) throw invalidRequest('AbortIncompleteMultipartUpload cannot be specified with Tags.')
  if (largerThan !== undefined || smallerThan !== undefined)
    throw invalidRequest('AbortIncompleteMultipartUpload cannot be specified with Object Size.')
}

/** Rules checked as S3 does when they are put; each has an id afterwards. Throws MalformedXML, InvalidRequest, InvalidArgument. */
export const checkRules = (rules: readonly WireRule[] | undefined, newId: () => string): WireRule[] => {
  if (!rules || rules.length === 0 || rules.length > 1000) throw malformedXml()
  const ids = new Set<string>()
  return rules.map((rule) => {
    const id = rule.ID || newId()
    if (id.length > 255) throw invalidArgument('ID length should not exceed allowed limit of 255')
    if (ids.has(id)) throw invalidArgument('Rule ID must be unique. Found same ID for more than one rule')
    ids.add(id)
    if (rule.Status !== 'Enabled' && rule.Status !== 'Disabled') throw malformedXml()
    checkFilter(rule)
    const actions = [
      rule.Expiration,
      rule.NoncurrentVersionExpiration,
      rule.AbortIncompleteMultipartUpload,
      rule.Transitions?.[0],
      rule.NoncurrentVersionTransitions?.[0],
    ]
    if (actions.every((action) => action === undefined))
      throw invalidRequest('At least one action needs to be specified in a rule')
    checkExpiration(rule)
    checkTransitions(rule)
    const { Transitions: moves = [], NoncurrentVersionTransitions: older = [] } = rule
    const to = ({ StorageClass }: { StorageClass?: string | undefined }) => StorageClass
    checkOrder(
      rule,
      'Days',
      moves.map((move) => ({ days: move.Days, to: to(move) })),
    )
    checkOrder(
      rule,
      'NoncurrentDays',
      older.map((move) => ({ days: move.NoncurrentDays, to: to(move) })),
    )
    checkAbort(rule)
    return { ...rule, ID: id }
  })
}

const whenOf = ({ Days, Date: date }: { Days?: number | undefined; Date?: Date | string | undefined }): When =>
  Days === undefined ? { date: new Date(date ?? 0).getTime() } : { days: Days }

/** The rules in force. */
export const rulesOf = ({ rules }: LifecycleDocument): LifecycleRule[] =>
  (rules as readonly WireRule[])
    .filter(({ Status }) => Status === 'Enabled')
    .map((rule) => {
      const { prefix, tags, largerThan, smallerThan } = filterOf(rule)
      const { Expiration: expiration, NoncurrentVersionExpiration: noncurrent } = rule
      const abort = rule.AbortIncompleteMultipartUpload?.DaysAfterInitiation
      return {
        id: rule.ID ?? '',
        prefix,
        tags: tags.map(({ Key = '', Value = '' }) => ({ key: Key, value: Value })),
        ...(largerThan === undefined ? {} : { largerThan }),
        ...(smallerThan === undefined ? {} : { smallerThan }),
        ...(expiration && expiration.ExpiredObjectDeleteMarker === undefined ? { expiration: whenOf(expiration) } : {}),
        dropsLoneMarkers: expiration?.ExpiredObjectDeleteMarker === true,
        transitions: (rule.Transitions ?? []).map((each) => ({
          when: whenOf(each),
          to: each.StorageClass as TransitionClass,
        })),
        ...(noncurrent
          ? { noncurrent: { days: noncurrent.NoncurrentDays ?? 0, keep: noncurrent.NewerNoncurrentVersions ?? 0 } }
          : {}),
        noncurrentTransitions: (rule.NoncurrentVersionTransitions ?? []).map((each) => ({
          days: each.NoncurrentDays ?? 0,
          keep: each.NewerNoncurrentVersions ?? 0,
          to: each.StorageClass as TransitionClass,
        })),
        ...(abort === undefined ? {} : { abortAfterDays: abort }),
      }
    })

/** So many days after a time, rounded up to the next midnight UTC: when an action falls due. Epoch milliseconds. */
export const dueAfter = (time: number, days: number): number => Math.ceil((time + days * DAY) / DAY) * DAY

const dueAt = (when: When, since: number): number => ('date' in when ? when.date : dueAfter(since, when.days))

/** What rules look at. `tags` and `size` are absent for delete markers, which only rules by prefix concern. */
export type Subject = {
  readonly key: string
  readonly size?: number
  readonly tags?: readonly Tag[]
  readonly storageClass?: string
  /** Epoch milliseconds. */
  readonly modified: number
}

const matches = (rule: LifecycleRule, { key, size, tags = [] }: Subject): boolean =>
  key.startsWith(rule.prefix) &&
  rule.tags.every((wanted) => tags.some((tag) => tag.key === wanted.key && tag.value === wanted.value)) &&
  (rule.largerThan === undefined || (size !== undefined && size > rule.largerThan)) &&
  (rule.smallerThan === undefined || (size !== undefined && size < rule.smallerThan))

/** When, and by which rule, a current object expires: the earliest. */
export const expiryOf = (
  rules: readonly LifecycleRule[],
  object: Subject,
): { readonly at: number; readonly rule: string } | undefined => {
  let earliest: { at: number; rule: string } | undefined
  for (const rule of rules) {
    if (!rule.expiration || !matches(rule, object)) continue
    const at = dueAt(rule.expiration, object.modified)
    if (!earliest || at < earliest.at) earliest = { at, rule: rule.id }
  }
  return earliest
}

const smallest = 128 * 1024

const mayMove = (
  rule: LifecycleRule,
  { size = 0, storageClass = 'STANDARD' }: Subject,
  to: TransitionClass,
  minimum: LifecycleDocument['minimumSize'],
): boolean => {
  if (rankOf(to) <= rankOf(storageClass)) return false
  // Who filters by size has said which sizes he means.
  if (rule.largerThan !== undefined || rule.smallerThan !== undefined || size >= smallest) return true
  return minimum === 'varies_by_storage_class' && (to === 'GLACIER' || to === 'DEEP_ARCHIVE')
}

const rankOf = (storageClass: string): number => (waterfall as readonly string[]).indexOf(storageClass)

const coldest = (candidates: readonly TransitionClass[]): TransitionClass | undefined =>
  candidates.reduce<TransitionClass | undefined>(
    (found, each) => (found === undefined || rankOf(each) > rankOf(found) ? each : found),
    undefined,
  )

/** The class a current object is to move to now. */
export const transitionOf = (
  rules: readonly LifecycleRule[],
  object: Subject,
  now: number,
  minimum: LifecycleDocument['minimumSize'],
): TransitionClass | undefined =>
  coldest(
    rules
      .filter((rule) => matches(rule, object))
      .flatMap((rule) =>
        rule.transitions
          .filter(({ when, to }) => dueAt(when, object.modified) <= now && mayMove(rule, object, to, minimum))
          .map(({ to }) => to),
      ),
  )

/** A noncurrent version: since when, and how many noncurrent versions of its key are newer. */
export type Noncurrent = Subject & { readonly since: number; readonly newer: number }

export const noncurrentExpires = (rules: readonly LifecycleRule[], version: Noncurrent, now: number): boolean =>
  rules.some(
    ({ noncurrent, ...rule }) =>
      noncurrent !== undefined &&
      version.newer >= noncurrent.keep &&
      dueAfter(version.since, noncurrent.days) <= now &&
      matches(rule, version),
  )

export const noncurrentTransitionOf = (
  rules: readonly LifecycleRule[],
  version: Noncurrent,
  now: number,
  minimum: LifecycleDocument['minimumSize'],
): TransitionClass | undefined =>
  coldest(
    rules
      .filter((rule) => matches(rule, version))
      .flatMap((rule) =>
        rule.noncurrentTransitions
          .filter(
            ({ days, keep, to }) =>
              version.newer >= keep && dueAfter(version.since, days) <= now && mayMove(rule, version, to, minimum),
          )
          .map(({ to }) => to),
      ),
  )

/** Whether a delete marker that is its key's only version goes: by a rule for such, or once it is as old as objects get. */
export const loneMarkerExpires = (rules: readonly LifecycleRule[], marker: Subject, now: number): boolean =>
  rules.some(
    (rule) =>
      (rule.dropsLoneMarkers || (rule.expiration !== undefined && dueAt(rule.expiration, marker.modified) <= now)) &&
      rule.tags.length === 0 &&
      matches(rule, marker),
  )

/** When, and by which rule, an unfinished upload is aborted. */
export const abortOf = (
  rules: readonly LifecycleRule[],
  key: string,
  initiated: number,
): { readonly at: number; readonly rule: string } | undefined => {
  let earliest: { at: number; rule: string } | undefined
  for (const rule of rules) {
    if (rule.abortAfterDays === undefined || !key.startsWith(rule.prefix)) continue
    const at = dueAfter(initiated, rule.abortAfterDays)
    if (!earliest || at < earliest.at) earliest = { at, rule: rule.id }
  }
  return earliest
}
