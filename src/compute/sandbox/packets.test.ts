import { expect, test } from 'vitest'
import { admitsTcp, contains, gatewayOf, inputRules } from './packets.ts'

test.each([
  ['10.0.1.0/24', '10.0.1.255', true],
  ['10.0.1.0/24', '10.0.2.0', false],
  ['0.0.0.0/0', '127.0.0.1', true],
  ['127.0.0.1/32', '127.0.0.1', true],
  ['10.0.1.77/24', '10.0.1.1', true],
  ['::/0', '127.0.0.1', false],
  ['10.0.1.0/33', '10.0.1.0', false],
  ['nonsense', '10.0.1.0', false],
])('%s contains %s: %s', (cidr, address, expected) => expect(contains(cidr, address)).toBe(expected))

test('the router has the first address', () => {
  expect(gatewayOf('10.0.1.0/24')).toBe('10.0.1.1')
  expect(gatewayOf('172.31.16.0/20')).toBe('172.31.16.1')
})

test.each([
  [[{ protocol: 'tcp', fromPort: 80, toPort: 90, sources: ['0.0.0.0/0'] }], 80, true],
  [[{ protocol: 'tcp', fromPort: 80, toPort: 90, sources: ['0.0.0.0/0'] }], 91, false],
  [[{ protocol: 'udp', fromPort: 80, toPort: 90, sources: ['0.0.0.0/0'] }], 80, false],
  [[{ protocol: '-1', fromPort: -1, toPort: -1, sources: ['127.0.0.0/8'] }], 22, true],
  [[{ protocol: 'tcp', fromPort: 0, toPort: 65535, sources: ['10.0.0.0/8'] }], 22, false],
])('%j admits the host to port %i: %s', (rules, port, expected) =>
  expect(admitsTcp(rules, port, '127.0.0.1')).toBe(expected),
)

test('rules become one replacing script', () => {
  expect(
    inputRules(
      [
        { protocol: 'tcp', fromPort: 443, toPort: 443, sources: ['10.0.0.0/16', '0.0.0.0/0', '::/0'] },
        { protocol: 'icmp', fromPort: -1, toPort: -1, sources: ['10.0.5.9/32'] },
        { protocol: 'x; flush ruleset', fromPort: 0, toPort: 0, sources: ['10.0.0.0/8'] },
      ],
      '169.254.170.3',
    ),
  ).toBe(`add table inet drydock
delete table inet drydock
table inet drydock {
  chain input {
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    ct state established,related accept
    ip saddr 169.254.170.3 accept
    ip saddr 10.0.0.0/16 tcp dport 443-443 accept
    meta nfproto ipv4 tcp dport 443-443 accept
    ip saddr 10.0.5.9/32 ip protocol icmp accept
  }
}
`)
})
