import type { Attributes } from './saml-response.ts'

// IAM user guide, "Configure SAML assertions for the authentication response", "Mapping SAML attributes to AWS trust policy
// context keys".

const eduPerson = 'urn:oid:1.3.6.1.4.1.5923.1.1.1.'
const eduOrg = 'urn:oid:1.3.6.1.4.1.5923.1.2.1.'
const claims = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/'

/** Attribute names, and the condition key that has their values. */
const keys: Readonly<Record<string, string>> = {
  [`${eduPerson}1`]: 'edupersonaffiliation',
  [`${eduPerson}2`]: 'edupersonnickname',
  [`${eduPerson}3`]: 'edupersonorgdn',
  [`${eduPerson}4`]: 'edupersonorgunitdn',
  [`${eduPerson}5`]: 'edupersonprimaryaffiliation',
  [`${eduPerson}6`]: 'edupersonprincipalname',
  [`${eduPerson}7`]: 'edupersonentitlement',
  [`${eduPerson}8`]: 'edupersonprimaryorgunitdn',
  [`${eduPerson}9`]: 'edupersonscopedaffiliation',
  [`${eduPerson}10`]: 'edupersontargetedid',
  [`${eduPerson}11`]: 'edupersonassurance',
  [`${eduOrg}2`]: 'eduorghomepageuri',
  [`${eduOrg}3`]: 'eduorgidentityauthnpolicyuri',
  [`${eduOrg}4`]: 'eduorglegalname',
  [`${eduOrg}5`]: 'eduorgsuperioruri',
  [`${eduOrg}6`]: 'eduorgwhitepagesuri',
  'urn:oid:2.5.4.3': 'cn',
  [`${claims}name`]: 'name',
  'http://schemas.xmlsoap.org/claims/CommonName': 'commonname',
  [`${claims}givenname`]: 'givenname',
  [`${claims}surname`]: 'surname',
  [`${claims}emailaddress`]: 'mail',
  'http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid': 'uid',
  '2.5.4.3': 'commonname',
  '2.5.4.4': 'surname',
  '2.4.5.42': 'givenname',
  '2.5.4.45': 'x500uniqueidentifier',
  '0.9.2342.19200300100.1.1': 'uid',
  '0.9.2342.19200300100.1.3': 'mail',
  '0.9.2342.19200300.100.1.45': 'organizationstatus',
}

/** Condition keys of an assertion's well-known attributes, in lower case. */
export const attributeKeys = (attributes: Attributes): Record<string, readonly string[]> =>
  Object.fromEntries(
    [...attributes].flatMap(([name, values]) =>
      Object.hasOwn(keys, name) && values.length > 0 ? [[`saml:${keys[name]}`, values]] : [],
    ),
  )
