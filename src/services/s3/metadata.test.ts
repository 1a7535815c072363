import { expect, test } from 'vitest'
import { metadataOf, toMetadata } from './metadata.ts'

test.each<[what: string, header: string, kept: string, told: string]>([
  ['plain text', 'plain text', 'plain text', 'plain text'],
  ['nothing', '', '', ''],
  ['Latin-1 as it is', 'ü', 'ü', '=?UTF-8?B?w7w=?='],
  ['base64', '=?UTF-8?B?w7w=?=', 'ü', '=?UTF-8?B?w7w=?='],
  ['quoted-printable', '=?utf-8?q?a=C3=BC_b?=', 'aü b', '=?UTF-8?B?YcO8IGI=?='],
  ['Latin-1', '=?ISO-8859-1?Q?=FC?=', 'ü', '=?UTF-8?B?w7w=?='],
  ['two words', '=?UTF-8?B?w7w=?= =?UTF-8?B?w6Q=?=', 'üä', '=?UTF-8?B?w7zDpA==?='],
  ['a word in a sentence', 'see =?UTF-8?B?w7w=?= there', 'see ü there', '=?UTF-8?B?c2VlIMO8IHRoZXJl?='],
  ['another character set', '=?KOI8-R?B?w7w=?=', '=?KOI8-R?B?w7w=?=', '=?KOI8-R?B?w7w=?='],
])('%s', (_, header, kept, told) => {
  expect(metadataOf({ A: header })).toEqual({ a: kept })
  expect(toMetadata({ a: kept })).toEqual({ Metadata: { a: told } })
})

test('the bytes of UTF-8 are taken for Latin-1, as in the example of the user guide', () => {
  const sent = Buffer.from('ÄMÄZÕÑ S3').toString('latin1')
  const told = '=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?='
  expect(toMetadata(metadataOf({ nonascii: sent }))).toEqual({ Metadata: { nonascii: told } })
})

test('what no header can say is counted', () => {
  expect(toMetadata({ a: 'fine', b: 'two\nlines', c: '\u0000' })).toEqual({ Metadata: { a: 'fine' }, MissingMeta: 2 })
})

test('2 KB of names and values', () => {
  expect(metadataOf({ a: 'x'.repeat(2047) })).toBeDefined()
  expect(metadataOf({ a: 'ü'.repeat(1023) })).toBeDefined()
  for (const value of ['x'.repeat(2048), 'ü'.repeat(1024)])
    expect(() => metadataOf({ a: value })).toThrow(expect.objectContaining({ code: 'MetadataTooLarge' }))
})
