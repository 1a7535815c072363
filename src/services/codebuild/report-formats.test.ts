import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCoverage } from './coverage-results.ts'
import { ReportError, readXml } from './report-xml.ts'
import { readTestResults } from './test-results.ts'

const brief = (format: Parameters<typeof readTestResults>[0], text: string) =>
  readTestResults(format, text).map(({ name, prefix, status, duration, message }) =>
    [prefix, name, status, duration / 1e6, ...(message ? [message] : [])].join(' | '),
  )

describe('test results', () => {
  it('of JUnit, nested suites and HTML in messages too', () => {
    const text = `<?xml version="1.0"?>
<testsuites>
  <testsuite name="cart"><testsuite name="inner">
    <testcase classname="Cart" name="adds &amp; sums" time="0.25"/>
    <testcase classname="Cart" name="fails" time="1,000.5"><failure message="expected &lt;1&gt;"><![CDATA[<!DOCTYPE html><b>]]></failure></testcase>
    <testcase classname="Cart" name="breaks"><error message="boom"/></testcase>
    <testcase classname="Cart" name="waits"><skipped/></testcase>
  </testsuite></testsuite>
</testsuites>`
    expect(brief('JUNITXML', text)).toEqual([
      'Cart | adds & sums | SUCCEEDED | 250',
      'Cart | fails | FAILED | 1000500 | expected <1>\n<!DOCTYPE html><b>',
      'Cart | breaks | ERROR | 0 | boom',
      'Cart | waits | SKIPPED | 0',
    ])
  })

  it('of NUnit 2 and 3', () => {
    const two = `<test-results><test-suite><results>
      <test-case name="A.one" executed="True" result="Success" success="True" time="0.5"/>
      <test-case name="A.two" executed="True" result="Failure"><failure><message><![CDATA[no]]></message></failure></test-case>
      <test-case name="A.three" executed="False" result="Ignored"><reason><message>later</message></reason></test-case>
    </results></test-suite></test-results>`
    expect(brief('NUNITXML', two)).toEqual([
      ' | A.one | SUCCEEDED | 500',
      ' | A.two | FAILED | 0 | no',
      ' | A.three | SKIPPED | 0 | later',
    ])
    const three = `<test-run><test-suite><test-suite>
      <test-case name="one" classname="A" result="Passed" duration="0.001"/>
      <test-case name="two" classname="A" result="Failed" label="Error"><failure><message>x</message></failure></test-case>
      <test-case name="three" classname="A" result="Inconclusive"/>
    </test-suite></test-suite></test-run>`
    expect(brief('NUNIT3XML', three)).toEqual([
      'A | one | SUCCEEDED | 1',
      'A | two | ERROR | 0 | x',
      'A | three | UNKNOWN | 0',
    ])
  })

  it('of TestNG, configuration methods left out', () => {
    const text = `<testng-results><suite name="s"><test><class name="com.A">
      <test-method name="setUp" is-config="true" status="PASS" duration-ms="9"/>
      <test-method name="works" status="PASS" duration-ms="12"/>
      <test-method name="fails" status="FAIL" duration-ms="3"><exception class="java.E"><message>why</message></exception></test-method>
    </class></test></suite></testng-results>`
    expect(brief('TESTNGXML', text)).toEqual(['com.A | works | SUCCEEDED | 12', 'com.A | fails | FAILED | 3 | why'])
  })

  it('of Visual Studio', () => {
    const text = `<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>
      <UnitTestResult testId="1" testName="One" outcome="Passed" duration="00:00:01.5"/>
      <UnitTestResult testId="2" testName="Two" outcome="Failed" duration="00:01:00"><Output><ErrorInfo><Message>no</Message></ErrorInfo></Output></UnitTestResult>
      <UnitTestResult testId="3" testName="Three" outcome="NotExecuted"/>
    </Results><TestDefinitions><UnitTest id="1"><TestMethod className="N.C"/></UnitTest></TestDefinitions></TestRun>`
    expect(brief('VISUALSTUDIOTRX', text)).toEqual([
      'N.C | One | SUCCEEDED | 1500',
      ' | Two | FAILED | 60000 | no',
      ' | Three | SKIPPED | 0',
    ])
  })

  it('of Cucumber, by scenario', () => {
    const step = (status: string, duration = 0, error_message?: string) => ({
      result: { status, duration, error_message },
    })
    const text = JSON.stringify([
      {
        name: 'Checkout',
        uri: 'checkout.feature',
        elements: [
          { type: 'background', steps: [step('passed')] },
          { type: 'scenario', name: 'pays', steps: [step('passed', 1e6), step('passed', 2e6)] },
          {
            type: 'scenario',
            name: 'is poor',
            steps: [step('passed'), step('failed', 0, 'no money'), step('skipped')],
          },
          { type: 'scenario', name: 'is new', steps: [step('undefined')] },
        ],
      },
    ])
    expect(brief('CUCUMBERJSON', text)).toEqual([
      'Checkout | pays | SUCCEEDED | 3',
      'Checkout | is poor | FAILED | 0 | no money',
      'Checkout | is new | ERROR | 0',
    ])
  })
})

describe('coverage', () => {
  const brief = (format: Parameters<typeof readCoverage>[0], text: string) =>
    readCoverage(format, text).map(
      (one) => `${one.path} ${one.linesCovered}+${one.linesMissed} ${one.branchesCovered}+${one.branchesMissed}`,
    )
  it.each([
    [
      'COBERTURAXML',
      `<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd"><coverage><packages><package><classes>
        <class name="A" filename="src/a.py"><methods><method><lines><line number="1" hits="1"/></lines></method></methods>
          <lines><line number="1" hits="1"/><line number="2" hits="0"/><line number="3" hits="2" branch="true" condition-coverage="50% (1/2)"/></lines></class>
        <class name="A$B" filename="src/a.py"><lines><line number="2" hits="4"/><line number="9" hits="0"/></lines></class>
      </classes></package></packages></coverage>`,
      ['src/a.py 3+1 1+1'],
    ],
    [
      'CLOVERXML',
      `<coverage><project><package name="p"><file name="a.js" path="/src/a.js"><metrics statements="10" coveredstatements="7" conditionals="4" coveredconditionals="1"/></file></package></project></coverage>`,
      ['/src/a.js 7+3 1+3'],
    ],
    [
      'JACOCOXML',
      `<?xml version="1.0"?><!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd"><report name="x"><group name="g"><package name="com/a">
        <class name="com/a/A"><counter type="LINE" missed="9" covered="9"/></class>
        <sourcefile name="A.java"><line nr="1"/><counter type="INSTRUCTION" missed="1" covered="2"/><counter type="LINE" missed="3" covered="5"/><counter type="BRANCH" missed="1" covered="1"/></sourcefile>
      </package></group></report>`,
      ['com/a/A.java 5+3 1+1'],
    ],
    [
      'LCOV',
      'TN:\nSF:src/a.ts\nDA:1,1\nDA:2,0\nBRDA:1,0,0,1\nBRDA:1,0,1,-\nLF:2\nend_of_record\nSF:src/b.ts\nDA:1,0\nend_of_record\n',
      ['src/a.ts 1+1 1+1', 'src/b.ts 0+1 0+0'],
    ],
    [
      'SIMPLECOV',
      JSON.stringify({
        RSpec: {
          coverage: {
            '/a.rb': { lines: [1, null, 0], branches: { '[:if, 0]': { '[:then, 1]': 1, '[:else, 2]': 0 } } },
          },
        },
        Minitest: { coverage: { '/a.rb': [0, null, 2] } },
      }),
      ['/a.rb 2+0 1+1'],
    ],
  ] as const)('%s', (format, text, expected) => {
    expect(brief(format, text)).toEqual(expected)
  })
})

describe('what a build wrote is not believed', () => {
  it.each([
    ['<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', 'the document declares its own entities'],
    ['<a>&x;</a>', 'the entity &x; is not defined'],
    ['<a><b></a>', 'an end tag has no start tag'],
    ['<a/><b/>', 'there is more than one root element'],
    ['<a', 'the document ends too early'],
    ['', 'the document ends too early'],
    ['plain', 'there is text outside of the root element'],
    ['<a>'.repeat(101), 'the document is nested too deeply'],
  ])('%j', (text, message) => {
    expect(() => readXml(text)).toThrow(message)
  })

  it('is not what it says it is', () => {
    expect(() => readTestResults('JUNITXML', '<html/>')).toThrow('<html> is no root of a JUnit report')
    expect(() => readTestResults('CUCUMBERJSON', '{')).toThrow(ReportError)
    expect(() => readCoverage('LCOV', 'nothing')).toThrow(ReportError)
  })

  it('fails in one way only', () => {
    const junk = fc.array(
      fc.constantFrom(
        '<',
        '>',
        '</',
        '/>',
        'a',
        '"',
        "'",
        '=',
        '&',
        '#',
        ';',
        '<!--',
        '-->',
        '<![CDATA[',
        ']]>',
        '<?',
        '?>',
        ' ',
        '{',
        '}',
        '[',
        ']',
        '0',
        'testsuite',
        'SF:',
        '\n',
      ),
    )
    fc.assert(
      fc.property(junk, (parts) => {
        for (const format of ['JUNITXML', 'CUCUMBERJSON'] as const)
          try {
            expect(readTestResults(format, parts.join(''))).toBeInstanceOf(Array)
          } catch (error) {
            expect(error).toBeInstanceOf(ReportError)
          }
        for (const format of ['COBERTURAXML', 'LCOV', 'SIMPLECOV'] as const)
          try {
            expect(readCoverage(format, parts.join(''))).toBeInstanceOf(Array)
          } catch (error) {
            expect(error).toBeInstanceOf(ReportError)
          }
      }),
      { numRuns: 500 },
    )
  })
})
