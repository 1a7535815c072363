import { describe, expect, test } from 'vitest'
import { parsePath, type TargetInput, targetInput } from './input.ts'

const event = {
  id: 'e-1',
  source: 'aws.ec2',
  resources: ['arn:1', 'arn:2'],
  detail: {
    instance: 'i-1',
    state: 'RUNNING',
    count: 3,
    quote: 'say "hi"',
    tags: [{ k: 'a' }, { k: 'b' }],
    'ref-type': 'x',
  },
}
const invocation = { ruleArn: 'arn:rule', ruleName: 'rule', ingested: '2026-11-23T05:00:00Z' }
const { detail: _, ...withoutDetail } = event
const paths = {
  instance: '$.detail.instance',
  state: '$.detail.state',
  count: '$.detail.count',
  quote: '$.detail.quote',
}
const template = (text: string, more: Record<string, string> = {}): TargetInput => ({
  transformer: { paths: { ...paths, ...more }, template: text },
})

// prettier-ignore
const table: [string, TargetInput, string][] = [
  ['nothing said: the event', {}, JSON.stringify(event)],
  ['a constant', { input: '{"a":1}' }, '{"a":1}'],
  ['a part', { inputPath: '$.detail.tags[1]' }, '{"k":"b"}'],
  ['a part with dashes', { inputPath: '$.detail.ref-type' }, '"x"'],
  ['a part, everywhere', { inputPath: '$.detail.tags[*].k' }, '["a","b"]'],
  ['a part that is not there', { inputPath: '$.detail.none' }, '{}'],
  ['plain text', template('<instance> is <state>'), 'i-1 is RUNNING'],
  ['a string', template('"<instance> is in \\"<state>\\""'), '"i-1 is in \\"RUNNING\\""'],
  ['values bare', template('{"i": <instance>, "n": <count>}'), '{"i": "i-1", "n": 3}'],
  ['values quoted', template('{"i": "<instance> <count>"}'), '{"i": "i-1 3"}'],
  ['quotes inside are escaped', template('{"q": "<quote>"}'), '{"q": "say \\"hi\\""}'],
  ['an object bare', template('{"d": <tags>}', { tags: '$.detail.tags' }), '{"d": [{"k":"a"},{"k":"b"}]}'],
  [
    'a path that leads nowhere',
    template('{"x": <none>, "y": "<none>"}', { none: '$.detail.none' }),
    '{"x": "", "y": ""}',
  ],
  [
    'AWS variables',
    template('{"r": <aws.events.rule-arn>, "n": "<aws.events.rule-name>", "t": <aws.events.event.ingestion-time>}'),
    '{"r": "arn:rule", "n": "rule", "t": "2026-11-23T05:00:00Z"}',
  ],
  ['the event', template('{"e": <aws.events.event.json>}'), `{"e": ${JSON.stringify(event)}}`],
  ['the event without detail', template('<aws.events.event>'), JSON.stringify(withoutDetail)],
]

describe('targets are sent', () => {
  test.each(table)('%s', (_, target, expected) => {
    expect(targetInput(target, event, invocation)).toBe(expected)
  })
})

test.each(['detail', '$detail', '$..x', '$.a[?(@.b)]', '$.a[-1]', '$.'])('%s is no path', (path) => {
  expect(parsePath(path)).toBeUndefined()
})
