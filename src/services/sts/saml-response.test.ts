import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import * as idp from '../../../test/saml-idp.ts'
import { childrenOf, textOf } from '../../kernel/hostile-xml.ts'
import type { SamlProvider } from '../capabilities.ts'
import { attributesOf, saml, signedAssertion } from './saml-response.ts'

const now = new Date('2026-11-23T09:00:00Z')
const attributes = { Role: ['arn:role,arn:provider'], RoleSessionName: ['alice'] }

let provider: SamlProvider
let honest: string
beforeAll(() => {
  const [, base64 = ''] = /<ds:X509Certificate>([^<]+)/.exec(idp.metadata()) ?? []
  provider = {
    arn: 'arn:aws:iam::000000000000:saml-provider/corp',
    name: 'corp',
    uuid: 'SAMLSPCORP',
    entityId: idp.entityId,
    certificates: [`-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----`],
    validUntil: Number.POSITIVE_INFINITY,
    encryptionRequired: false,
    privateKeys: [],
  }
  honest = idp.signed(idp.response(idp.assertion(now, { attributes })))
})

/** What of an assertion counts; `undefined` where it is refused. */
const read = (xml: string) => {
  try {
    const assertion = signedAssertion(idp.encoded(xml), provider)
    const [subject] = childrenOf(assertion, saml, 'Subject')
    const [nameId] = subject ? childrenOf(subject, saml, 'NameID') : []
    return { nameId: nameId && textOf(nameId), attributes: [...attributesOf(assertion)] }
  } catch (error) {
    expect(error).toMatchObject({ name: expect.stringMatching(/^(InvalidIdentityToken|IDPRejectedClaim)Exception$/) })
    return undefined
  }
}

test('whatever is done to a signed response: it is refused, or says what it said', () => {
  const said = read(honest)
  expect(said?.nameId).toBe('alice')
  const piece = fc.oneof(
    fc.string({ maxLength: 5 }),
    fc.constantFrom(
      '<!-- -->',
      '<saml:NameID>admin</saml:NameID>',
      '</saml:Subject>',
      '<a/>',
      '&#97;',
      '\u0000',
      ']]>',
    ),
  )
  const change = fc.record({ at: fc.nat(honest.length), removed: fc.nat(40), piece })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      let xml = honest
      for (const { at, removed, piece: inserted } of changes)
        xml = xml.slice(0, at) + inserted + xml.slice(at + removed)
      const found = read(xml)
      if (found) expect(found).toEqual(said)
    }),
    { numRuns: 150 },
  )
})

test('nothing that is no response makes it fail in another way', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (text) => {
      expect(read(text)).toBeUndefined()
    }),
  )
})
