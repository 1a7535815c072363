import type { Filter } from './configuration-set.ts'

// The columns of an exported storage class analysis ("Exported file layout", S3 user guide). A pure engine.

/** Age groups, by the days that each begins with. */
const begins = [0, 15, 30, 45, 60, 75, 90, 120, 150, 180, 365, 730]
const three = (days: number): string => String(days).padStart(3, '0')
const groups = begins.map((from, at) => {
  const next = begins[at + 1]
  return next === undefined ? `${three(from)}+` : `${three(from)}-${three(next - 1)}`
})

const DAY = 86_400_000
/** Objects below this are only in the rows of all ages. */
const smallest = 128 * 1024
const MB = 1024 * 1024

/** The age group of an object; undefined where it is in none. */
export const ageGroupOf = ({ modified, size }: { modified: number; size: number }, now: number): string | undefined => {
  if (size <= smallest) return undefined
  const days = Math.floor((now - modified) / DAY)
  return groups.findLast((_, at) => (begins[at] ?? 0) <= days) ?? groups[0]
}

/** What is counted of one storage class and age group in a day; bytes. */
export type Counts = {
  readonly objects: number
  readonly stored: number
  readonly uploaded: number
  readonly retrieved: number
  readonly requests: number
}
export const noCounts: Counts = { objects: 0, stored: 0, uploaded: 0, retrieved: 0, requests: 0 }
export const addCounts = (a: Counts, b: Partial<Counts>): Counts => ({
  objects: a.objects + (b.objects ?? 0),
  stored: a.stored + (b.stored ?? 0),
  uploaded: a.uploaded + (b.uploaded ?? 0),
  retrieved: a.retrieved + (b.retrieved ?? 0),
  requests: a.requests + (b.requests ?? 0),
})

/** Counts of a day, by storage class and age group: `STANDARD ALL`. */
export type Day = { readonly date: string; readonly counts: Readonly<Record<string, Counts>> }

const columns = [
  ...['Date', 'ConfigId', 'Filter', 'StorageClass', 'ObjectAge', 'ObjectCount', 'DataUploaded_MB', 'Storage_MB'],
  ...['DataRetrieved_MB', 'GetRequestCount', 'CumulativeAccessRatio'],
  ...['ObjectAgeForSIATransition', 'RecommendedObjectAgeForSIATransition'],
]

const number = (value: number): string => String(Math.round(value * 1e6) / 1e6)
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`

const filterText = ({ prefix, tags }: Filter): string =>
  [...(prefix === '' ? [] : [`prefix=${prefix}`]), ...tags.map(({ Key, Value }) => `tag=${Key}:${Value}`)].join(';')

/** Bytes retrieved so far for each byte stored, on average over the days. */
const ratioOf = (days: readonly Day[], name: string): number => {
  const of = days.map(({ counts }) => counts[name] ?? noCounts)
  const stored = of.reduce((sum, each) => sum + each.stored, 0) / of.length
  return stored === 0 ? 0 : of.reduce((sum, each) => sum + each.retrieved, 0) / stored
}

/** The file of all days so far, oldest first: by class, by age group, by date; the rows of all ages at the end. */
export const analysisCsv = (id: string, filter: Filter, days: readonly Day[]): string => {
  const classes = [
    ...new Set(days.flatMap(({ counts }) => Object.keys(counts)).map((name) => name.split(' ')[0] ?? '')),
  ]
  const rows = [...groups, 'ALL'].flatMap((age) =>
    classes.sort().flatMap((storageClass) =>
      days.flatMap(({ date, counts }, at) => {
        const name = `${storageClass} ${age}`
        const of = counts[name]
        if (!of) return []
        const all = age === 'ALL'
        const [year, month, day] = date.split('-')
        return [
          [
            `${month}-${day}-${year}`,
            id,
            filterText(filter),
            storageClass,
            age,
            all ? String(of.objects) : '',
            all ? number(of.uploaded / MB) : '',
            number(of.stored / MB),
            number(of.retrieved / MB),
            String(of.requests),
            number(ratioOf(days.slice(0, at + 1), name)),
            '',
            '',
          ],
        ]
      }),
    ),
  )
  return [columns, ...rows].map((row) => `${row.map(quoted).join(',')}\n`).join('')
}
