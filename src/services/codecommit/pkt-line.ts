// The framing of git's protocols (gitprotocol-common, "pkt-line Format"): pure, over bytes.

/** Larger heads than this are no honest push: AWS takes 4,000 references at once. */
const maximumHead = 4 * 1024 * 1024

export const flush = Buffer.from('0000')

/** One line with its length in front. */
export const pktLine = (payload: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(payload)
  if (bytes.length > 65516) throw new Error('A pkt-line holds at most 65516 bytes.')
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes])
}

export class PktLineError extends Error {}

/** The line at `offset`: its payload (`undefined` for flush and delimiters) and where the next begins; `undefined` if bytes are missing. */
export const readLine = (bytes: Buffer, offset: number): { payload: Buffer | undefined; next: number } | undefined => {
  if (bytes.length < offset + 4) return undefined
  const prefix = bytes.toString('latin1', offset, offset + 4)
  if (!/^[0-9a-fA-F]{4}$/.test(prefix)) throw new PktLineError('A pkt-line begins with four hexadecimal digits.')
  const length = Number.parseInt(prefix, 16)
  if (length < 4) {
    if (length === 3) throw new PktLineError('Length 3 is no pkt-line.')
    return { payload: undefined, next: offset + 4 }
  }
  if (bytes.length < offset + length) return undefined
  return { payload: bytes.subarray(offset + 4, offset + length), next: offset + length }
}

/** Every line of a complete text, `undefined` for flushes. */
export const readLines = (bytes: Buffer): (Buffer | undefined)[] => {
  const lines: (Buffer | undefined)[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const line = readLine(bytes, offset)
    if (!line) throw new PktLineError('The last pkt-line is cut off.')
    lines.push(line.payload)
    offset = line.next
  }
  return lines
}

/** A wish to move one reference. Ids are 40 zeros where there is none. */
export type Command = { readonly from: string; readonly to: string; readonly reference: string }
export type PushHead = { readonly commands: readonly Command[]; readonly capabilities: readonly string[] }

const commandLine = /^([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n]+)$/

/**
 * Reads the head of a push (gitprotocol-pack, "Reference Update Request"): its commands and capabilities, and how many
 * bytes it takes. `undefined` while it is incomplete; throws `PktLineError` for what is no push.
 */
export const readPushHead = (bytes: Buffer): { head: PushHead; end: number } | undefined => {
  const commands: Command[] = []
  let capabilities: string[] = []
  for (let offset = 0; ; ) {
    const line = readLine(bytes, offset)
    if (!line) {
      if (bytes.length > maximumHead) throw new PktLineError('The push names too many references.')
      return undefined
    }
    offset = line.next
    if (line.payload === undefined) return { head: { commands, capabilities }, end: offset }
    const text = line.payload.toString('utf8')
    const [first = '', declared] = text.split('\0', 2)
    if (declared !== undefined) capabilities = declared.trim().split(' ')
    const command = first.replace(/\n$/, '')
    if (/^shallow [0-9a-f]{40}$/.test(command)) continue
    const match = commandLine.exec(command)
    if (!match) throw new PktLineError('The push holds a line that is no reference update.')
    const [, from = '', to = '', reference = ''] = match
    commands.push({ from, to, reference })
  }
}

/** The references whose update git reports as done (gitprotocol-pack, "Report Status"), side band or not. */
export const readReport = (output: Buffer, capabilities: readonly string[]): string[] => {
  const banded = capabilities.some((name) => name === 'side-band-64k' || name === 'side-band')
  const report = banded
    ? Buffer.concat(readLines(output).flatMap((line) => (line?.[0] === 1 ? [line.subarray(1)] : [])))
    : output
  return readLines(report).flatMap((line) => {
    const done = line && /^ok (.+?)\n?$/.exec(line.toString('utf8'))
    return done?.[1] === undefined ? [] : [done[1]]
  })
}

/** A report that refuses every command, with a message for the person at the terminal. */
export const refusal = (head: PushHead, reason: string, explanation: string): Buffer => {
  if (!head.capabilities.some((name) => name.startsWith('report-status'))) return Buffer.alloc(0)
  const report = Buffer.concat([
    pktLine('unpack ok\n'),
    ...head.commands.map(({ reference }) => pktLine(`ng ${reference} ${reason}\n`)),
    flush,
  ])
  if (!head.capabilities.includes('side-band-64k')) return report
  const band = (number: number, bytes: Buffer) => pktLine(Buffer.concat([Buffer.from([number]), bytes]))
  const pieces: Buffer[] = [band(2, Buffer.from(`${explanation}\n`))]
  for (let offset = 0; offset < report.length; offset += 60_000)
    pieces.push(band(1, report.subarray(offset, offset + 60_000)))
  return Buffer.concat([...pieces, flush])
}
