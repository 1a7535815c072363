import type { ReportFormat } from './buildspec.ts'
import {
  allNamed,
  attribute,
  childNamed,
  childrenNamed,
  numberOf,
  ReportError,
  readXml,
  type XmlElement,
} from './report-xml.ts'

// Test results as test frameworks write them. Pure: text in, cases out.
// AWS documentation: "Test reports in CodeBuild".

export type TestStatus = 'SUCCEEDED' | 'FAILED' | 'ERROR' | 'SKIPPED' | 'UNKNOWN'

export type TestResult = {
  readonly name: string
  /** What the framework puts before the name: a class, a feature. */
  readonly prefix?: string
  readonly suite?: string
  readonly status: TestStatus
  /** Nanoseconds. */
  readonly duration: number
  readonly message?: string
}

/** Longest message kept, in characters. */
const messageLimit = 4096

const result = (facts: {
  name: string | undefined
  prefix?: string | undefined
  suite?: string | undefined
  status: TestStatus
  seconds: number
  message?: string | undefined
}): TestResult => {
  const message = facts.message?.trim().slice(0, messageLimit)
  return {
    name: facts.name ?? '',
    ...(facts.prefix ? { prefix: facts.prefix } : {}),
    ...(facts.suite ? { suite: facts.suite } : {}),
    status: facts.status,
    duration: Math.round(facts.seconds * 1e9),
    ...(message ? { message } : {}),
  }
}

type Words = Readonly<Record<string, TestStatus>>

const worded = (words: Words, word: string | undefined): TestStatus => words[(word ?? '').toLowerCase()] ?? 'UNKNOWN'

const junit = (root: XmlElement): TestResult[] => {
  if (root.name !== 'testsuites' && root.name !== 'testsuite')
    throw new ReportError(`<${root.name}> is no root of a JUnit report`)
  const found: TestResult[] = []
  const read = (suite: XmlElement) => {
    for (const child of suite.children) {
      if (child.name === 'testsuite') read(child)
      if (child.name !== 'testcase') continue
      const failure = childNamed(child, 'failure')
      const error = childNamed(child, 'error')
      const skipped = childNamed(child, 'skipped')
      const cause = failure ?? error ?? skipped
      found.push(
        result({
          name: attribute(child, 'name'),
          prefix: attribute(child, 'classname'),
          suite: attribute(suite, 'name'),
          status: failure ? 'FAILED' : error ? 'ERROR' : skipped ? 'SKIPPED' : 'SUCCEEDED',
          seconds: numberOf(attribute(child, 'time')),
          message: [attribute(cause, 'message'), cause?.text].filter(Boolean).join('\n'),
        }),
      )
    }
  }
  read(root)
  return found
}

const nunitWords: Words = {
  success: 'SUCCEEDED',
  passed: 'SUCCEEDED',
  failure: 'FAILED',
  failed: 'FAILED',
  error: 'ERROR',
  notrunnable: 'ERROR',
  ignored: 'SKIPPED',
  skipped: 'SKIPPED',
}

/** NUnit 2's `test-results` and NUnit 3's `test-run`. */
const nunit = (root: XmlElement): TestResult[] => {
  if (root.name !== 'test-results' && root.name !== 'test-run' && root.name !== 'test-suite')
    throw new ReportError(`<${root.name}> is no root of an NUnit report`)
  return allNamed(root, 'test-case').map((test) => {
    const failure = childNamed(test, 'failure')
    const label = attribute(test, 'label')
    const outcome = attribute(test, 'result') ?? (attribute(test, 'success') === 'True' ? 'Success' : undefined)
    const status = attribute(test, 'executed') === 'False' ? 'SKIPPED' : worded(nunitWords, outcome)
    return result({
      name: attribute(test, 'name'),
      prefix: attribute(test, 'classname'),
      status: status === 'FAILED' && label === 'Error' ? 'ERROR' : status,
      seconds: numberOf(attribute(test, 'duration') ?? attribute(test, 'time')),
      message: childNamed(failure ?? childNamed(test, 'reason'), 'message')?.text,
    })
  })
}

const testng = (root: XmlElement): TestResult[] => {
  if (root.name !== 'testng-results') throw new ReportError(`<${root.name}> is no root of a TestNG report`)
  const words: Words = { pass: 'SUCCEEDED', fail: 'FAILED', skip: 'SKIPPED' }
  return childrenNamed(root, 'suite').flatMap((suite) =>
    allNamed(suite, 'class').flatMap((group) =>
      childrenNamed(group, 'test-method')
        .filter((method) => attribute(method, 'is-config') !== 'true')
        .map((method) => {
          const exception = childNamed(method, 'exception')
          return result({
            name: attribute(method, 'name'),
            prefix: attribute(group, 'name'),
            suite: attribute(suite, 'name'),
            status: worded(words, attribute(method, 'status')),
            seconds: numberOf(attribute(method, 'duration-ms')) / 1000,
            message: childNamed(exception, 'message')?.text || attribute(exception, 'class'),
          })
        }),
    ),
  )
}

/** `00:01:02.5`, in seconds. */
const span = (text: string | undefined): number =>
  (text ?? '').split(':').reduce((sum, part) => sum * 60 + numberOf(part), 0)

const trxWords: Words = {
  passed: 'SUCCEEDED',
  passedbutrunaborted: 'SUCCEEDED',
  failed: 'FAILED',
  timeout: 'FAILED',
  error: 'ERROR',
  aborted: 'ERROR',
  notexecuted: 'SKIPPED',
  notrunnable: 'SKIPPED',
  pending: 'SKIPPED',
}

const trx = (root: XmlElement): TestResult[] => {
  if (root.name !== 'TestRun') throw new ReportError(`<${root.name}> is no root of a Visual Studio test report`)
  const classes = new Map(
    allNamed(root, 'UnitTest').map((test) => [
      attribute(test, 'id'),
      attribute(childNamed(test, 'TestMethod'), 'className'),
    ]),
  )
  return allNamed(root, 'UnitTestResult').map((test) =>
    result({
      name: attribute(test, 'testName'),
      prefix: classes.get(attribute(test, 'testId')),
      status: worded(trxWords, attribute(test, 'outcome')),
      seconds: span(attribute(test, 'duration')),
      message: childNamed(childNamed(childNamed(test, 'Output'), 'ErrorInfo'), 'Message')?.text,
    }),
  )
}

type Json = Readonly<Record<string, unknown>>

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const readJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ReportError(error instanceof Error ? error.message : String(error))
  }
}

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isJson) : [])
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** Scenarios are the cases: one succeeded when all its steps did. */
const cucumber = (text: string): TestResult[] => {
  const features = readJson(text)
  if (!Array.isArray(features)) throw new ReportError('a Cucumber report is a list of features')
  return listOf(features).flatMap((feature) =>
    listOf(feature.elements)
      .filter(({ type }) => type !== 'background')
      .map((scenario) => {
        const steps = [...listOf(scenario.before), ...listOf(scenario.steps), ...listOf(scenario.after)]
        const results = steps.map((step) => (isJson(step.result) ? step.result : {}))
        const statuses = results.map(({ status }) => textOf(status) ?? '')
        const has = (...words: string[]) => statuses.some((status) => words.includes(status))
        const status: TestStatus = has('failed')
          ? 'FAILED'
          : has('undefined', 'ambiguous')
            ? 'ERROR'
            : has('pending', 'skipped')
              ? 'SKIPPED'
              : statuses.length > 0 && statuses.every((one) => one === 'passed')
                ? 'SUCCEEDED'
                : 'UNKNOWN'
        return result({
          name: textOf(scenario.name),
          prefix: textOf(feature.name),
          suite: textOf(feature.uri),
          status,
          seconds: results.reduce((sum, { duration }) => sum + numberOf(String(duration ?? 0)), 0) / 1e9,
          message: results.map(({ error_message }) => textOf(error_message)).find(Boolean),
        })
      }),
  )
}

const readers: Partial<Record<ReportFormat, (text: string) => TestResult[]>> = {
  JUNITXML: (text) => junit(readXml(text)),
  NUNITXML: (text) => nunit(readXml(text)),
  NUNIT3XML: (text) => nunit(readXml(text)),
  TESTNGXML: (text) => testng(readXml(text)),
  VISUALSTUDIOTRX: (text) => trx(readXml(text)),
  CUCUMBERJSON: cucumber,
}

export const isTestFormat = (format: ReportFormat): boolean => readers[format] !== undefined

/**
 * Reads the test cases of one file.
 * @throws ReportError for a file that is not of this format.
 */
export const readTestResults = (format: ReportFormat, text: string): TestResult[] => {
  const read = readers[format]
  if (!read) throw new ReportError(`${format} is no format of test results`)
  return read(text)
}
