import type { ReportFormat } from './buildspec.ts'
import { allNamed, attribute, childNamed, childrenNamed, numberOf, ReportError, readXml } from './report-xml.ts'
import { isJson, readJson } from './test-results.ts'

// Code coverage as coverage tools write it. Pure: text in, one entry per file out.
// AWS documentation: "Code coverage reports".

export type FileCoverage = {
  readonly path: string
  readonly linesCovered: number
  readonly linesMissed: number
  readonly branchesCovered: number
  readonly branchesMissed: number
}

/** Hits of lines, and branches, of one file: classes of a file and runs of a tool are put together line by line. */
type Lines = {
  readonly hits: Map<string, number>
  readonly branches: Map<string, readonly [covered: number, of: number]>
}

const linesOf = (files: Map<string, Lines>, path: string): Lines => {
  const lines = files.get(path) ?? { hits: new Map(), branches: new Map() }
  files.set(path, lines)
  return lines
}

const hit = ({ hits }: Lines, line: string, count: number) => hits.set(line, (hits.get(line) ?? 0) + count)

const branch = ({ branches }: Lines, key: string, covered: number, of: number) =>
  branches.set(key, [Math.min(of, Math.max(branches.get(key)?.[0] ?? 0, covered)), of])

const counted = (files: Map<string, Lines>): FileCoverage[] =>
  [...files].map(([path, { hits, branches }]) => {
    const linesCovered = [...hits.values()].filter((count) => count > 0).length
    const sums = [...branches.values()].reduce(([a, b], [covered, of]) => [a + covered, b + of - covered], [0, 0])
    return {
      path,
      linesCovered,
      linesMissed: hits.size - linesCovered,
      branchesCovered: sums[0] ?? 0,
      branchesMissed: sums[1] ?? 0,
    }
  })

const cobertura = (text: string): FileCoverage[] => {
  const root = readXml(text)
  if (root.name !== 'coverage') throw new ReportError(`<${root.name}> is no root of a Cobertura report`)
  const files = new Map<string, Lines>()
  for (const one of allNamed(root, 'class')) {
    const lines = linesOf(files, attribute(one, 'filename') ?? attribute(one, 'name') ?? '')
    for (const line of childrenNamed(childNamed(one, 'lines') ?? one, 'line')) {
      const number = attribute(line, 'number') ?? ''
      hit(lines, number, numberOf(attribute(line, 'hits')))
      const share = /\((\d{1,9})\/(\d{1,9})\)/.exec(attribute(line, 'condition-coverage') ?? '')
      if (share) branch(lines, number, Number(share[1]), Number(share[2]))
    }
  }
  return counted(files)
}

const clover = (text: string): FileCoverage[] => {
  const root = readXml(text)
  if (root.name !== 'coverage') throw new ReportError(`<${root.name}> is no root of a Clover report`)
  return allNamed(root, 'file').map((file) => {
    const metrics = childNamed(file, 'metrics')
    const count = (name: string) => numberOf(attribute(metrics, name))
    return {
      path: attribute(file, 'path') ?? attribute(file, 'name') ?? '',
      linesCovered: count('coveredstatements'),
      linesMissed: Math.max(0, count('statements') - count('coveredstatements')),
      branchesCovered: count('coveredconditionals'),
      branchesMissed: Math.max(0, count('conditionals') - count('coveredconditionals')),
    }
  })
}

const jacoco = (text: string): FileCoverage[] => {
  const root = readXml(text)
  if (root.name !== 'report') throw new ReportError(`<${root.name}> is no root of a JaCoCo report`)
  return allNamed(root, 'package').flatMap((group) =>
    childrenNamed(group, 'sourcefile').map((file) => {
      const counter = (type: string) =>
        childrenNamed(file, 'counter').find((one) => attribute(one, 'type')?.toUpperCase() === type)
      const [lines, branches] = [counter('LINE'), counter('BRANCH')]
      const folder = attribute(group, 'name')
      return {
        path: `${folder ? `${folder}/` : ''}${attribute(file, 'name') ?? ''}`,
        linesCovered: numberOf(attribute(lines, 'covered')),
        linesMissed: numberOf(attribute(lines, 'missed')),
        branchesCovered: numberOf(attribute(branches, 'covered')),
        branchesMissed: numberOf(attribute(branches, 'missed')),
      }
    }),
  )
}

const lcov = (text: string): FileCoverage[] => {
  const files = new Map<string, Lines>()
  let lines: Lines | undefined
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    const values = line.slice(colon + 1).trim()
    const parts = values.split(',')
    switch (line.slice(0, colon)) {
      case 'SF':
        lines = linesOf(files, values)
        break
      case 'DA':
        if (lines) hit(lines, parts[0] ?? '', numberOf(parts[1]))
        break
      case 'BRDA':
        if (lines) branch(lines, parts.slice(0, 3).join(','), numberOf(parts[3]) > 0 ? 1 : 0, 1)
        break
    }
  }
  if (files.size === 0) throw new ReportError('the file names no source files (SF)')
  return counted(files)
}

/** SimpleCov's `.resultset.json`: by command, by file, hits of each line; `null` where there is nothing to hit. */
const simplecov = (text: string): FileCoverage[] => {
  const root = readJson(text)
  if (!isJson(root)) throw new ReportError('a SimpleCov report is an object')
  const files = new Map<string, Lines>()
  const runs = isJson(root.coverage) ? [root] : Object.values(root).filter(isJson)
  for (const run of runs) {
    if (!isJson(run.coverage)) continue
    for (const [path, value] of Object.entries(run.coverage)) {
      const lines = linesOf(files, path)
      const hits = isJson(value) ? value.lines : value
      if (Array.isArray(hits))
        for (const [index, count] of hits.entries()) if (typeof count === 'number') hit(lines, String(index), count)
      if (!isJson(value) || !isJson(value.branches)) continue
      for (const [condition, ways] of Object.entries(value.branches))
        for (const [way, count] of Object.entries(isJson(ways) ? ways : {}))
          branch(lines, `${condition} ${way}`, typeof count === 'number' && count > 0 ? 1 : 0, 1)
    }
  }
  if (files.size === 0) throw new ReportError('the file has no coverage')
  return counted(files)
}

const readers: Partial<Record<ReportFormat, (text: string) => FileCoverage[]>> = {
  COBERTURAXML: cobertura,
  CLOVERXML: clover,
  JACOCOXML: jacoco,
  LCOV: lcov,
  SIMPLECOV: simplecov,
}

/**
 * Reads the coverage in one file.
 * @throws ReportError for a file that is not of this format.
 */
export const readCoverage = (format: ReportFormat, text: string): FileCoverage[] => {
  const read = readers[format]
  if (!read) throw new ReportError(`${format} is no format of code coverage`)
  return read(text)
}
