import { describe, expect, test } from 'vitest'
import { exactValues, PatternError, parsePattern } from './pattern.ts'

const event = {
  source: 'aws.ec2',
  account: '111122223333',
  'detail-type': 'EC2 Instance State-change Notification',
  resources: ['arn:aws:ec2:us-east-1:111122223333:instance/i-abcd1111', 'arn:aws:ec2:us-east-1:111122223333:volume/v'],
  detail: {
    state: 'Running',
    file: 'dir/lib/photo.png',
    'odd*name': 'a*b\\c',
    count: 5,
    ratio: 0.5,
    big: 3e2,
    empty: '',
    nothing: null,
    yes: true,
    address: '10.0.0.7',
    address6: '2001:db8::1',
    list: ['x', 'y', 3],
    none: [],
    nested: { deep: { leaf: 'here' } },
    people: [
      { name: 'Ann', age: 30, tags: ['a'] },
      { name: 'Bob', age: 40 },
    ],
  },
}

const detail = (pattern: unknown) => ({ detail: pattern })

// prettier-ignore
const table: [string, unknown, boolean][] = [
  ['exact', { source: ['aws.ec2'] }, true],
  ['exact, one of several', { source: ['aws.s3', 'aws.ec2'] }, true],
  ['exact, other', { source: ['aws.s3'] }, false],
  ['and of fields', { source: ['aws.ec2'], account: ['1'] }, false],
  ['array in event: any element', { resources: [{ suffix: 'volume/v' }] }, true],
  ['array in event: list', detail({ list: ['z', 'y'] }), true],
  ['number', detail({ count: [5] }), true],
  ['number by value', detail({ big: [300.0] }), true],
  ['number is no string', detail({ count: ['5'] }), false],
  ['boolean', detail({ yes: [true] }), true],
  ['boolean is no string', detail({ yes: ['true'] }), false],
  ['null', detail({ nothing: [null] }), true],
  ['null is not empty', detail({ empty: [null] }), false],
  ['empty string', detail({ empty: [''] }), true],
  ['missing is not null', detail({ missing: [null] }), false],
  ['exact operator', detail({ state: [{ exact: 'Running' }] }), true],
  ['prefix', detail({ state: [{ prefix: 'Run' }] }), true],
  ['prefix, case', detail({ state: [{ prefix: 'run' }] }), false],
  ['prefix ignoring case', detail({ state: [{ prefix: { 'equals-ignore-case': 'rUN' } }] }), true],
  ['prefix on number', detail({ count: [{ prefix: '5' }] }), false],
  ['suffix', detail({ file: [{ suffix: '.png' }] }), true],
  ['suffix ignoring case', detail({ file: [{ suffix: { 'equals-ignore-case': '.PNG' } }] }), true],
  ['suffix ignoring case, other', detail({ file: [{ suffix: { 'equals-ignore-case': '.JPG' } }] }), false],
  ['equals-ignore-case', detail({ state: [{ 'equals-ignore-case': 'RUNNING' }] }), true],
  ['equals-ignore-case is whole', detail({ state: [{ 'equals-ignore-case': 'RUN' }] }), false],
  ['wildcard', detail({ file: [{ wildcard: 'dir/*.png' }] }), true],
  ['wildcard, several', detail({ file: [{ wildcard: '*/lib/*' }] }), true],
  ['wildcard, empty run', detail({ file: [{ wildcard: 'dir/lib/photo.png*' }] }), true],
  ['wildcard, pieces do not overlap', detail({ state: [{ wildcard: 'Runni*nning' }] }), false],
  ['wildcard without asterisk', detail({ state: [{ wildcard: 'Running' }] }), true],
  ['wildcard escaped', detail({ 'odd*name': [{ wildcard: 'a\\*b\\\\*' }] }), true],
  ['wildcard escaped is literal', detail({ state: [{ wildcard: 'R\\*g' }] }), false],
  ['anything-but', detail({ state: [{ 'anything-but': 'Stopped' }] }), true],
  ['anything-but, same', detail({ state: [{ 'anything-but': 'Running' }] }), false],
  ['anything-but list', detail({ state: [{ 'anything-but': ['Running', 'Stopped'] }] }), false],
  ['anything-but numbers', detail({ count: [{ 'anything-but': [4, 5] }] }), false],
  ['anything-but number', detail({ count: [{ 'anything-but': 4 }] }), true],
  ['anything-but, missing field', detail({ missing: [{ 'anything-but': 'x' }] }), false],
  ['anything-but, some element', detail({ list: [{ 'anything-but': ['x', 'y'] }] }), true],
  ['anything-but prefix', detail({ state: [{ 'anything-but': { prefix: 'Run' } }] }), false],
  ['anything-but prefixes', detail({ state: [{ 'anything-but': { prefix: ['a', 'b'] } }] }), true],
  ['anything-but suffix', detail({ file: [{ 'anything-but': { suffix: ['.jpg', '.png'] } }] }), false],
  ['anything-but wildcard', detail({ file: [{ 'anything-but': { wildcard: '*/lib/*' } }] }), false],
  ['anything-but ignoring case', detail({ state: [{ 'anything-but': { 'equals-ignore-case': ['RUNNING'] } }] }), false],
  ['numeric =', detail({ count: [{ numeric: ['=', 5] }] }), true],
  ['numeric >', detail({ count: [{ numeric: ['>', 5] }] }), false],
  ['numeric range', detail({ count: [{ numeric: ['>', 0, '<=', 5] }] }), true],
  ['numeric range, fraction', detail({ ratio: [{ numeric: ['>=', 0.5, '<', 1] }] }), true],
  ['numeric on string', detail({ state: [{ numeric: ['>', 0] }] }), false],
  ['exists', detail({ count: [{ exists: true }] }), true],
  ['exists: null is there', detail({ nothing: [{ exists: true }] }), true],
  ['exists: leaves only', detail({ nested: [{ exists: true }] }), false],
  ['not exists', detail({ missing: [{ exists: false }] }), true],
  ['not exists below nothing', detail({ missing: { deep: [{ exists: false }] } }), true],
  ['not exists, exists', detail({ count: [{ exists: false }] }), false],
  ['not exists, empty array', detail({ none: [{ exists: false }] }), true],
  ['not exists or value', detail({ count: [{ exists: false }, 5] }), true],
  ['not exists, in one element', detail({ people: { tags: [{ exists: false }] } }), false],
  ['cidr', detail({ address: [{ cidr: '10.0.0.0/24' }] }), true],
  ['cidr, outside', detail({ address: [{ cidr: '10.0.1.0/24' }] }), false],
  ['cidr 6', detail({ address6: [{ cidr: '2001:db8::/32' }] }), true],
  ['cidr on text', detail({ state: [{ cidr: '0.0.0.0/0' }] }), false],
  ['nested', detail({ nested: { deep: { leaf: ['here'] } } }), true],
  ['nested in array', detail({ people: { name: ['Bob'] } }), true],
  ['array consistency, one element', detail({ people: { name: ['Bob'], age: [40] } }), true],
  ['array consistency, two elements', detail({ people: { name: ['Bob'], age: [30] } }), false],
  ['or', { $or: [{ source: ['x'] }, { detail: { count: [5] } }] }, true],
  ['or, none', { $or: [{ source: ['x'] }, { detail: { count: [6] } }] }, false],
  ['or and and', { $or: [{ source: ['x'] }, { account: ['111122223333'] }], detail: { count: [6] } }, false],
  ['or, nested', detail({ $or: [{ state: ['x'] }, { $or: [{ count: [1] }, { ratio: [0.5] }] }] }), true],
  [
    'or, operators on one field',
    detail({ $or: [{ count: [{ numeric: ['<', 1] }] }, { count: [{ numeric: ['>', 4] }] }] }),
    true,
  ],
  ['$or as a field name', { $or: ['x'] }, false],
  ['prototype is no field', { constructor: [{ exists: true }] }, false],
]

describe('event patterns match as the operators page says', () => {
  test.each(table)('%s', (_, pattern, expected) => {
    expect(parsePattern(JSON.stringify(pattern))(event)).toBe(expected)
  })
})

// prettier-ignore
const wrong: [string, string][] = [
  ['[]', 'Filter is not an object'],
  ['"x"', 'Filter is not an object'],
  ['{}', 'Empty objects are not allowed'],
  ['{"detail":{}}', 'Empty objects are not allowed'],
  ['{"source":[]}', 'Empty arrays are not allowed'],
  ['{"source":"aws.ec2"}', '"source" must be an object or an array'],
  ['{"source":null}', '"source" must be an object or an array'],
  ['{"source":[["x"]]}', 'Match value must be String, number, true, false, or null'],
  ['{"source":[{"like":"x"}]}', 'Unrecognized match type like'],
  ['{"source":[{"toString":"x"}]}', 'Unrecognized match type toString'],
  ['{"source":[{"prefix":"x","suffix":"y"}]}', 'Only one key allowed in match expression'],
  ['{"source":[{"prefix":1}]}', 'prefix match pattern must be a string'],
  ['{"source":[{"suffix":null}]}', 'suffix match pattern must be a string'],
  ['{"source":[{"prefix":{"wildcard":"x"}}]}', 'Unsupported prefix pattern: wildcard'],
  ['{"source":[{"equals-ignore-case":["x"]}]}', 'equals-ignore-case match pattern must be a string'],
  ['{"source":[{"wildcard":"a**b"}]}', 'Consecutive wildcard characters at pos 1'],
  ['{"source":[{"wildcard":"a\\\\b"}]}', 'Invalid escape character at pos 1'],
  ['{"source":[{"exists":"true"}]}', 'exists match pattern must be either true or false.'],
  ['{"source":[{"anything-but":null}]}', 'Value of anything-but must be an array or single string/number value.'],
  ['{"source":[{"anything-but":[null]}]}', 'Inside anything but list, start|null|boolean is not supported.'],
  [
    '{"source":[{"anything-but":[1,"1"]}]}',
    'Inside anything but list, either all values are number or string, mixed type is not supported',
  ],
  ['{"source":[{"anything-but":{"cidr":"10.0.0.0/8"}}]}', 'Unsupported anything-but pattern: cidr'],
  ['{"source":[{"anything-but":{"prefix":""}}]}', 'Null prefix/suffix not allowed'],
  ['{"source":[{"numeric":5}]}', 'Value of numeric must be an array.'],
  ['{"source":[{"numeric":[]}]}', 'Invalid member in numeric match: ]'],
  ['{"source":[{"numeric":["!",5]}]}', 'Unrecognized numeric range operator: !'],
  ['{"source":[{"numeric":[">","5"]}]}', 'Value of > must be numeric'],
  ['{"source":[{"numeric":["=","5"]}]}', 'Value of equals must be numeric'],
  ['{"source":[{"numeric":["<",5,">",1]}]}', 'Too many elements in numeric expression'],
  ['{"source":[{"numeric":[">",5,"<",5]}]}', 'Bottom must be less than top'],
  ['{"source":[{"numeric":[">",6000000000]}]}', 'Value must be between -5.0E9 and 5.0E9, inclusive'],
  ['{"source":[{"cidr":"10.0.0.0"}]}', "Malformed CIDR, one '/' required"],
  ['{"source":[{"cidr":"10.0.0/8"}]}', 'Nonstandard IP address: 10.0.0'],
  ['{"source":[{"cidr":"10.0.0.0/33"}]}', 'Malformed CIDR, too many mask bits'],
  ['{"$or":[{"source":["x"]}]}', 'Unrecognized match type source'],
  [
    `{"$or":[{"a":[1]},{"b":[1]}],"x":{"$or":[${Array.from({ length: 501 }, () => '{"c":[1]}').join()}]}}`,
    'Rule has more than 1000 combinations',
  ],
]

describe('what is no pattern is refused with its reason', () => {
  test.each(wrong)('%s', (text, reason) => {
    expect(() => parsePattern(text)).toThrow(new PatternError(reason))
  })
  test('text that is no JSON', () => {
    expect(() => parsePattern('{"source"')).toThrow(PatternError)
  })
})

test('a hostile wildcard costs no more than a walk', () => {
  const matches = parsePattern(JSON.stringify({ detail: { text: [{ wildcard: `*${'a*'.repeat(1000)}b` }] } }))
  const start = performance.now()
  expect(matches({ detail: { text: 'a'.repeat(200_000) } })).toBe(false)
  expect(performance.now() - start).toBeLessThan(5_000)
})

test('exactValues tells what a rule can only be about', () => {
  expect(exactValues('{"source":["aws.s3","x"]}', 'source')).toEqual(['aws.s3', 'x'])
  expect(exactValues('{"source":[{"prefix":"x"}]}', 'source')).toBeUndefined()
  expect(exactValues('{"detail":{"a":[1]}}', 'source')).toBeUndefined()
})
