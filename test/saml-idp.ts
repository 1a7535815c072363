import { SignedXml } from 'xml-crypto'

// A SAML 2.0 identity provider as tests need one. Its certificate is valid until the year 2100, and used nowhere else.

const certificate = `-----BEGIN CERTIFICATE-----
MIICqjCCAZICAQMwDQYJKoZIhvcNAQELBQAwGjEYMBYGA1UEAwwPaWRwLmV4YW1w
bGUuY29tMCAXDTIwMDEwMTAwMDAwMFoYDzIxMDAwMTAxMDAwMDAwWjAaMRgwFgYD
VQQDDA9pZHAuZXhhbXBsZS5jb20wggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEK
AoIBAQDgZA2hha9ohxajQOiOC95TZbE20YYEI/lg9XNseTlK+EmkuQpE3WsyCvUv
vYDf3VPdTeelzsnPzH/vRWO4wwpvPEY2dMrTYHza5OaGthyC42AZoAn8PuD3w3oU
59uMz4nqxtWaK/uwU59K97wn9swlDCa4P/DwXPE+GW6lbxiEm5oRaYbsFm1H9xm/
7A25NUu+xgfwVwJr77NY5rymUMZlBTgAzTbaIlo7utexOh42/QKv7zum6Np+WdJi
UPVWO6ryDc8UbqezUBdyi5kWknxqeXjFX2hvVF13E2hU1p01neNbA11DEgiSLfdc
7sMlRgbClGXgDjsY+5LA/STYq+e/AgMBAAEwDQYJKoZIhvcNAQELBQADggEBAMqJ
L0jrAu/q3Nzz1NBvHPpFMcfpff6/eYlF7KrKRxt/qFBLJ5LZNMP7Ukf45BCq4Cs+
yZGzqtBCwL4VRzIjzbDZnGZRmPE0wE7YBqdujPwKMlB0y6yhbVtVoHNEf5bllR82
MeG0xzKCpc24VmXDolKZRU7CDUXkhFo1mDg/5zz0y+GDEfb4mxvTyLJ66Qbeeo9G
WgOHCJw8F2TbiXhlyikRm3GEWlKAixM1PMuXTj+QgkezomIHXjFwsXrz5vD/9YjM
SwJJrmHfeLjFvkFf52HOR4UUgiNJGCSu1Bi1OKm44MHnFgvK7A+dJxakFoiwVt5l
81n9uqipqWzo3RS0318=
-----END CERTIFICATE-----`
/** What it signs with. */
export const idpKey = `-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDgZA2hha9ohxaj
QOiOC95TZbE20YYEI/lg9XNseTlK+EmkuQpE3WsyCvUvvYDf3VPdTeelzsnPzH/v
RWO4wwpvPEY2dMrTYHza5OaGthyC42AZoAn8PuD3w3oU59uMz4nqxtWaK/uwU59K
97wn9swlDCa4P/DwXPE+GW6lbxiEm5oRaYbsFm1H9xm/7A25NUu+xgfwVwJr77NY
5rymUMZlBTgAzTbaIlo7utexOh42/QKv7zum6Np+WdJiUPVWO6ryDc8UbqezUBdy
i5kWknxqeXjFX2hvVF13E2hU1p01neNbA11DEgiSLfdc7sMlRgbClGXgDjsY+5LA
/STYq+e/AgMBAAECggEAH3eYe8K6Fv/+ujUjh6v9aReVMvlOAG2lDqZNIfScBrnr
5eg3GvIsEq/7s06xcHNiy+GdbyChJ31noX/LHMFpSLEcrY1SVjMtPysjcte+BtLp
Cp7pV5Dfzo8Ao0bigIwoLJ7mnIC3goIvj/1OyxHujfF2ypbY7HQ0Nn+thxCd0RaX
2A/GTfoYqbRONJbWxyLY6xfc5HyTtd56ZfpYlBDj3i1BAYkkgcpOVIZLr4F/V72h
V9Ue/ZM4x/JpSMwrv0ZFxpx21JIVT6Vz4HXCJI2OPjrqzF39U+egm9nUo3ofOzNE
Wmr4H0ixI4ES143wI1ol6zBjSpVeeMJ527VOnSggPQKBgQD0RQfxkANnMGonVdbh
ixeyxpByCWo+wD7PU2fzJPARvsVEP00GnwndjZ1Lug4QTWPJ7TPtkQcuKPGIFh1j
L0UYiPx/YnYJz5Jf3ehMLALhcAxqDdd+xiFgVCPtQKUWJ8keIFY7AN1sIr1G0lce
L8xI//bu1yJbynNXqbYPbN7VawKBgQDrKqOBc0tJZRXetcNaR9YJcvjDz6AIXLss
9erndzm9Eto8LzBiEKZrBl64ouRjVjEAHm5Kkf8wfHt9XRxPlKQewqRi9LMp+qwV
l9ny5Qa36VUkr7zKLIk6IBFvplrCx59/HQeegxWqnzSRt2cr6+ZBlnwGmXvL+M9w
PyzV3ws3/QKBgQCb+8D41tf1ewsulzgiyumVNgtjZvO7opP5XO+SatIK4uGhlTKg
ucpY+mepxePZMTI57gks+WG2blreZhDaF4NuCXwD9GIgHbcBFPmUOr6UKzMiPjiQ
MgF6PAC9Lny9Sya44DlwcDr1JLHtmcAb/LXdH+cV2beNGhjRsAQckY8yhQKBgQCL
rLaSc3Ua8aQstA6Ed7hDwnrIanAlp1Yw3RsZQXIUv7bJGkoFZNhDJvRpe65k5dOS
u4BMYCyOktER45SmG6Xi8z6J28byPwWoiZmUr7zuzPKaKJrcBdm3oUZZ5xdvKvur
lwVoe3kJ7yddCO6JYsJO4F9n2A90VaJ3i75IhQJ3zQKBgEith82nQYhie91Uadb5
Gcc8s0rspxoATVV3KnGZkvjqgFmCjcmSmir6nV00mTJNqCH5yKgg1ZLpqyUW1qYd
V5Dnx6Pjp0TTZTB6EF31V27xyL5GSbPm0sMZdfrmF0+WPQGN+B+R/27zk3uVT0Vv
2MKlpTm0foeF54DWP3mGJ1X+
-----END PRIVATE KEY-----`

export const entityId = 'https://idp.example.com/saml'

export const metadata = (
  over: { entityID?: string; attributes?: string; body?: string; start?: string } = {},
): string =>
  `${over.start ?? '<?xml version="1.0"?>'}
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${over.entityID ?? entityId}" ${over.attributes ?? ''}>
  ${
    over.body ??
    `<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <KeyDescriptor use="signing">
      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${base64Certificate()}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
    </KeyDescriptor>
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>
  </IDPSSODescriptor>`
  }
</EntityDescriptor>`

const base64Certificate = () => certificate.replaceAll(/-----.*-----|\s/g, '')

export type AssertionFacts = {
  readonly id?: string
  readonly issuer?: string
  readonly issued?: Date
  readonly nameId?: string
  readonly format?: string
  readonly recipient?: string
  readonly audience?: string
  /** When subject and conditions end. */
  readonly ends?: Date
  readonly sessionEnds?: Date
  /** Names after `https://aws.amazon.com/SAML/Attributes/`, or whole ones. */
  readonly attributes?: Readonly<Record<string, readonly string[]>>
}

export const assertion = (now: Date, facts: AssertionFacts = {}): string => {
  const at = (time: Date) => time.toISOString()
  const ends = at(facts.ends ?? new Date(now.getTime() + 300_000))
  const attributes = Object.entries(facts.attributes ?? {}).map(([name, values]) => {
    const whole = /^(urn|http)/.test(name) ? name : `https://aws.amazon.com/SAML/Attributes/${name}`
    const elements = values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`)
    return `<saml:Attribute Name="${whole}">${elements.join('')}</saml:Attribute>`
  })
  return [
    `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${facts.id ?? '_assertion'}" Version="2.0" IssueInstant="${at(facts.issued ?? now)}">`,
    `<saml:Issuer>${facts.issuer ?? entityId}</saml:Issuer>`,
    `<saml:Subject><saml:NameID Format="${facts.format ?? 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'}">${facts.nameId ?? 'alice'}</saml:NameID>`,
    '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">',
    `<saml:SubjectConfirmationData NotOnOrAfter="${ends}" Recipient="${facts.recipient ?? 'https://signin.aws.amazon.com/saml'}"/>`,
    '</saml:SubjectConfirmation></saml:Subject>',
    `<saml:Conditions NotBefore="${at(now)}" NotOnOrAfter="${ends}"><saml:AudienceRestriction><saml:Audience>${facts.audience ?? 'urn:amazon:webservices'}</saml:Audience></saml:AudienceRestriction></saml:Conditions>`,
    `<saml:AuthnStatement AuthnInstant="${at(now)}"${facts.sessionEnds ? ` SessionNotOnOrAfter="${at(facts.sessionEnds)}"` : ''}/>`,
    `<saml:AttributeStatement>${attributes.join('')}</saml:AttributeStatement>`,
    '</saml:Assertion>',
  ].join('')
}

export const response = (content: string, status = 'Success', start = ''): string =>
  `${start}<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_response" Version="2.0"><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:${status}"/></samlp:Status>${content}</samlp:Response>`

/** Signs the element of this name, its signature within it. */
export const signed = (
  xml: string,
  name: 'Assertion' | 'Response' = 'Assertion',
  options: { key?: string; algorithm?: 'sha256' | 'sha1' } = {},
): string => {
  const weak = options.algorithm === 'sha1'
  const signer = new SignedXml({
    privateKey: options.key ?? idpKey,
    publicCert: certificate,
    canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
    signatureAlgorithm: weak
      ? 'http://www.w3.org/2000/09/xmldsig#rsa-sha1'
      : 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  })
  const xpath = `//*[local-name(.)='${name}']`
  signer.addReference({
    xpath,
    digestAlgorithm: weak ? 'http://www.w3.org/2000/09/xmldsig#sha1' : 'http://www.w3.org/2001/04/xmlenc#sha256',
    transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
  })
  signer.computeSignature(xml, { location: { reference: xpath, action: 'append' }, prefix: 'ds' })
  return signer.getSignedXml()
}

export const encoded = (xml: string): string => Buffer.from(xml).toString('base64')
