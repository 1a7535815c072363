import { X509Certificate } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fetchJson, Unreachable, Untrusted, Unusable } from './fetch-json.ts'

// An authority that nobody trusts publicly, and what it issued to localhost: valid until the year 2100, used nowhere else.
const leaf = `-----BEGIN CERTIFICATE-----
MIIBfjCCASSgAwIBAgIBAjAKBggqhkjOPQQDAjAhMR8wHQYDVQQDDBZEcnlkb2Nr
IHRlc3QgYXV0aG9yaXR5MCAXDTIwMDEwMTAwMDAwMFoYDzIxMDAwMTAxMDAwMDAw
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARYT0pPQ3QAt1GdcXpZX208R/kxXpDYyOOY8ac/upn2Zud0DEzMZGtI2DCPu4iJ
v3nTr12uVpZEF7hUDXsQSZrzo1gwVjAUBgNVHREEDTALgglsb2NhbGhvc3QwHQYD
VR0OBBYEFPEpBFaNhjgeerlIhDJ+WDOvMr2sMB8GA1UdIwQYMBaAFFXgyFCiRMM+
Siu8JQxYT8TLhwK0MAoGCCqGSM49BAMCA0gAMEUCIAEoatkgO+21jANFc2gqbFQP
oEXRza9jIHFCeQ6p5EMQAiEA/tZC/S9jLt9proMQxug6kjPJbL1WPy4pKVX8++uG
HmM=
-----END CERTIFICATE-----`
const authority = `-----BEGIN CERTIFICATE-----
MIIBZTCCAQugAwIBAgIBATAKBggqhkjOPQQDAjAhMR8wHQYDVQQDDBZEcnlkb2Nr
IHRlc3QgYXV0aG9yaXR5MCAXDTIwMDEwMTAwMDAwMFoYDzIxMDAwMTAxMDAwMDAw
WjAhMR8wHQYDVQQDDBZEcnlkb2NrIHRlc3QgYXV0aG9yaXR5MFkwEwYHKoZIzj0C
AQYIKoZIzj0DAQcDQgAEQ8vCg2hPyyzejEBdKifmfIZdjJ6Gk7/ovgyzGtBJkOg8
GEM9g5BZXBXZWsklNZHLbzSL1JTymB2PljxqceEy76MyMDAwDwYDVR0TAQH/BAUw
AwEB/zAdBgNVHQ4EFgQUVeDIUKJEwz5KK7wlDFhPxMuHArQwCgYIKoZIzj0EAwID
SAAwRQIgLkmJW2/0qREopDCRnuIYfmEgcv7pLZd6luFhrXUg38UCIQC0PfIduL1u
Mk3mtdmmpkltbUGLpmZ9fz3niuqN5obxYA==
-----END CERTIFICATE-----`
const unrelated = `-----BEGIN CERTIFICATE-----
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
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgH/7m5Le6Z896MekU
TVWTTl9W3M+X0hhkBAtlgi30heChRANCAARYT0pPQ3QAt1GdcXpZX208R/kxXpDY
yOOY8ac/upn2Zud0DEzMZGtI2DCPu4iJv3nTr12uVpZEF7hUDXsQSZrz
-----END PRIVATE KEY-----`

const thumbprint = (pem: string) => new X509Certificate(pem).fingerprint.replaceAll(':', '').toLowerCase()

let server: Server
let url: string
let certificates: string
beforeAll(async () => {
  certificates = `${leaf}\n${authority}`
  server = createServer({ key, cert: certificates }, (_, response) => response.end('{"keys":[]}'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `https://localhost:${(server.address() as AddressInfo).port}/keys`
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

const get = (thumbprints: readonly string[], address = url) =>
  fetchJson(address, { registered: new URL(address), thumbprints })

describe('over TLS', () => {
  test.each([
    ['the certificate’s own', leaf],
    ['its authority’s', authority],
  ])('a thumbprint trusts what no public authority vouches for: %s', async (_, pem) => {
    await expect(get([thumbprint(pem)])).resolves.toEqual({ keys: [] })
  })

  test('another thumbprint, or none, does not', async () => {
    await expect(get(['0'.repeat(40)])).rejects.toBeInstanceOf(Untrusted)
    await expect(get([])).rejects.toBeInstanceOf(Untrusted)
  })

  test('a certificate of another host is not trusted, whatever its thumbprint', async () => {
    await expect(get([thumbprint(leaf)], url.replace('localhost', '127.0.0.1'))).rejects.toBeInstanceOf(Untrusted)
  })

  test('a chain is only as good as its signatures', async () => {
    const stranger = createServer({ key, cert: `${leaf}\n${unrelated}` }, (_, response) => response.end('{}'))
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve))
    const address = `https://localhost:${(stranger.address() as AddressInfo).port}/`
    await expect(get([thumbprint(unrelated)], address)).rejects.toBeInstanceOf(Untrusted)
    await new Promise((resolve) => stranger.close(resolve))
  })
})

test('nobody at home', async () => {
  await expect(get([], 'http://127.0.0.1:1/')).rejects.toBeInstanceOf(Unreachable)
})

test.each([
  ['http://127.0.0.2/keys', 'http://127.0.0.1/'],
  ['http://169.254.169.254/latest/meta-data', 'http://localhost/'],
  ['https://[fd00:ec2::254]/', 'https://token.example.com/'],
  ['https://[::1]/', 'https://token.example.com/'],
  ['https://0.0.0.0/', 'https://token.example.com/'],
  ['https://2130706433/', 'https://token.example.com/'],
  ['https://localhost/', 'https://token.example.com/'],
  ['https://issuer.localhost/', 'https://token.example.com/'],
  ['http://token.example.com/', 'https://token.example.com/'],
  ['http://keys.example.com/', 'http://localhost/'],
  ['ftp://token.example.com/', 'https://token.example.com/'],
  ['not a url', 'https://token.example.com/'],
])('%s is not asked on behalf of %s', async (address, registered) => {
  await expect(fetchJson(address, { registered: new URL(registered), thumbprints: [] })).rejects.toBeInstanceOf(
    Unusable,
  )
})
