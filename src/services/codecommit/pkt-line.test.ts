import { describe, expect, it } from 'vitest'
import { flush, PktLineError, pktLine, readLines, readPushHead, readReport, refusal } from './pkt-line.ts'

const one = '1'.repeat(40)
const two = '2'.repeat(40)
const commands = [
  pktLine(`${one} ${two} refs/heads/main\0report-status side-band-64k agent=git/2\n`),
  pktLine(`${'0'.repeat(40)} ${two} refs/tags/v1`),
  flush,
]

describe('pkt-line', () => {
  it('counts its own four digits', () => expect(pktLine('a\n').toString()).toBe('0006a\n'))

  it('reads the head of a push and where the pack begins', () => {
    const head = Buffer.concat(commands)
    expect(readPushHead(Buffer.concat([head, Buffer.from('PACK…')]))).toEqual({
      head: {
        commands: [
          { from: one, to: two, reference: 'refs/heads/main' },
          { from: '0'.repeat(40), to: two, reference: 'refs/tags/v1' },
        ],
        capabilities: ['report-status', 'side-band-64k', 'agent=git/2'],
      },
      end: head.length,
    })
  })

  it('waits for a head that is not whole, at every byte', () => {
    const head = Buffer.concat(commands)
    for (let length = 0; length < head.length; length++) expect(readPushHead(head.subarray(0, length))).toBeUndefined()
  })

  it('takes the empty request by which git asks whether it may', () =>
    expect(readPushHead(flush)?.head).toEqual({ commands: [], capabilities: [] }))

  it.each([
    ['no length', Buffer.from('zzzz')],
    ['an impossible length', Buffer.from('0003')],
    ['no command', Buffer.concat([pktLine('GET / HTTP/1.1\n'), flush])],
    ['a line inside a name', Buffer.concat([pktLine(`${one} ${two} refs/heads/a\nb`), flush])],
    ['a head without end', Buffer.alloc(5 * 1024 * 1024, pktLine(`shallow ${one}`))],
  ])('refuses %s', (_, bytes) => expect(() => readPushHead(bytes)).toThrow(PktLineError))

  const report = [pktLine('unpack ok\n'), pktLine('ok refs/heads/main\n'), pktLine('ng refs/tags/v1 exists\n'), flush]

  it('reads which references moved, plain or in a side band', () => {
    const plain = Buffer.concat(report)
    const banded = Buffer.concat([
      pktLine(Buffer.concat([Buffer.from([2]), Buffer.from('Resolving deltas\n')])),
      pktLine(Buffer.concat([Buffer.from([1]), plain.subarray(0, 20)])),
      pktLine(Buffer.concat([Buffer.from([1]), plain.subarray(20)])),
      flush,
    ])
    expect(readReport(plain, ['report-status'])).toEqual(['refs/heads/main'])
    expect(readReport(banded, ['report-status', 'side-band-64k'])).toEqual(['refs/heads/main'])
  })

  it('refuses every reference of a denied push, with a reason and an explanation', () => {
    const head = readPushHead(Buffer.concat(commands))?.head ?? { commands: [], capabilities: [] }
    const lines = readLines(refusal(head, 'no', 'because'))
    expect(lines[0]?.toString()).toBe('\x02because\n')
    expect(readLines(lines[1]?.subarray(1) ?? flush).map((line) => line?.toString())).toEqual([
      'unpack ok\n',
      'ng refs/heads/main no\n',
      'ng refs/tags/v1 no\n',
      undefined,
    ])
  })
})
