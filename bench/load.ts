import { connect } from 'node:net'

// The load generator, a process of its own: it reads a job from standard input, replays its requests over raw
// keep-alive connections, and writes what happened to standard output. Started by `load` in `programs.ts`.

export type Job = {
  readonly host: string
  readonly port: number
  /** Whole HTTP/1.1 requests in base64, replayed in turn. */
  readonly requests: readonly string[]
  readonly connections: number
  /** Milliseconds. Ends at this time, or when `count` answers have come. */
  readonly duration: number
  readonly count?: number
}

export type Outcome = {
  readonly answers: number
  /** Answers by status code. */
  readonly statuses: Readonly<Record<string, number>>
  readonly milliseconds: number
  /** Milliseconds from sending a request to the end of its answer. */
  readonly median: number
  readonly p99: number
}

type Answer = { readonly status: number; readonly length: number | undefined; readonly closes: boolean }

/** Length of the answer at the start of these bytes, head and body; `undefined` while its head is incomplete. */
const answerLength = (bytes: Buffer): Answer | undefined => {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = bytes.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const closes = head.startsWith('HTTP/1.0') || /\r\nconnection: *close/i.test(head)
  const declared = /\r\ncontent-length: *(\d+)/i.exec(head)
  if (declared) return { status, length: end + 4 + Number(declared[1]), closes }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return { status, length: end + 4, closes }
  const last = bytes.indexOf('\r\n0\r\n\r\n', end + 2)
  return { status, length: last < 0 ? undefined : last + 7, closes }
}

const run = (job: Job): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const requests = job.requests.map((request) => Buffer.from(request, 'base64'))
    const most = job.count ?? Number.POSITIVE_INFINITY
    const statuses: Record<string, number> = {}
    const times: number[] = []
    let sent = 0
    let open = 0
    const began = performance.now()
    const finish = () => {
      const milliseconds = performance.now() - began
      times.sort((a, b) => a - b)
      const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0
      resolve({ answers: times.length, statuses, milliseconds, median: at(0.5), p99: at(0.99) })
    }
    const visit = () => {
      open++
      const socket = connect({ host: job.host, port: job.port, noDelay: true })
      let since = 0
      let received: Buffer | undefined
      let expected: Answer | undefined
      const next = () => {
        since = performance.now()
        if (sent >= most || since - began >= job.duration) {
          socket.end()
          return
        }
        const request = requests[sent % requests.length]
        sent++
        received = undefined
        expected = undefined
        if (request) socket.write(request)
      }
      socket.on('connect', next)
      socket.on('data', (chunk) => {
        received = received ? Buffer.concat([received, chunk]) : chunk
        if (expected?.length === undefined) expected = answerLength(received)
        if (expected?.length === undefined || received.length < expected.length) return
        times.push(performance.now() - since)
        statuses[expected.status] = (statuses[expected.status] ?? 0) + 1
        if (expected.closes) socket.destroy()
        else next()
      })
      socket.on('error', reject)
      socket.on('close', () => {
        open--
        // A peer that closes after each answer is visited again.
        if (sent < most && performance.now() - began < job.duration) visit()
        else if (open === 0) finish()
      })
    }
    for (let i = 0; i < job.connections; i++) visit()
  })

if (import.meta.main) {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  process.stdout.write(JSON.stringify(await run(JSON.parse(Buffer.concat(chunks).toString()) as Job)))
}
