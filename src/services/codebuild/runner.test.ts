import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it, test } from 'vitest'
import { parseBuildspec } from './buildspec.ts'
import { type Mark, type OutputItem, outputReader, planRunner } from './runner.ts'

const folders: string[] = []
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

/** Runs a buildspec for real, in a folder of its own on this host. */
const runBuildspec = async (text: string, texts: readonly string[] = [], debug = false) => {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-runner-'))
  folders.push(folder)
  const plan = planRunner(parseBuildspec(text), 'abc123', texts, [], debug)
  for (const { path, content, mode } of plan.files) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content, { mode })
  }
  const source = join(folder, 'output/src')
  await mkdir(source, { recursive: true })
  const child = spawn('/bin/sh', [join(folder, 'output/tmp/run.sh')], {
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder, CODEBUILD_SRC_DIR: source, GREETING: 'it\'s "me"\n2' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const reader = outputReader('abc123', 0)
  const items: OutputItem[] = []
  child.stdout.on('data', (chunk: Buffer) => items.push(...reader.push(chunk)))
  child.stderr.on('data', (chunk: Buffer) => items.push({ line: `STDERR ${chunk}`, end: 0 }))
  const code = await new Promise((done) => child.on('close', done))
  items.push(...reader.push(new Uint8Array(), true))
  const show = (mark: Mark) => {
    if (mark.kind === 'phase') return `> ${mark.phase}`
    if (mark.kind === 'end') return `< ${mark.phase} ${mark.succeeded ? 'ok' : 'failed'}`
    if (mark.kind === 'command') return `$ ${plan.commands[mark.command - 1]}`
    if (mark.kind === 'exit') return `= ${mark.code}`
    if (mark.kind === 'export') return `${mark.name}=${mark.value}`
    if (mark.kind === 'value') return `value ${plan.expansions[mark.index]} is ${mark.value}`
    return mark.kind
  }
  return { code, source, said: items.map((item) => ('line' in item ? item.line : show(item.mark))) }
}

const phases = (said: readonly string[]) => said.filter((line) => /^[<>]/.test(line))

describe('phases', () => {
  it('runs commands in order, keeping variables and folder', async () => {
    const { said, source, code } = await runBuildspec(`version: 0.2
env: {exported-variables: [TAG, MISSING, GREETING]}
phases:
  install: {commands: [mkdir sub, cd sub, 'TAG="v 1"']}
  build:
    commands:
      - pwd
      - echo "$TAG $CODEBUILD_BUILD_SUCCEEDING"
      - |
        if true; then
          printf 'no line end'
        fi
      - echo "$GREETING" | wc -l
`)
    expect(said).toEqual([
      'start',
      '> INSTALL',
      '$ mkdir sub',
      '= 0',
      '$ cd sub',
      '= 0',
      '$ TAG="v 1"',
      '= 0',
      '< INSTALL ok',
      '> PRE_BUILD',
      '< PRE_BUILD ok',
      '> BUILD',
      '$ pwd',
      `${source}/sub`,
      '= 0',
      '$ echo "$TAG $CODEBUILD_BUILD_SUCCEEDING"',
      'v 1 1',
      '= 0',
      "$ if true; then\n  printf 'no line end'\nfi\n",
      'no line end',
      '= 0',
      '$ echo "$GREETING" | wc -l',
      '2',
      '= 0',
      '< BUILD ok',
      '> POST_BUILD',
      '< POST_BUILD ok',
      'TAG=v 1',
      'MISSING=',
      `GREETING=it's "me"\n2`,
      'done',
    ])
    expect(code).toBe(0)
  })

  it('skips the rest of a failed phase, runs finally, and post_build after a failed build', async () => {
    const { said } = await runBuildspec(`version: 0.2
phases:
  build:
    commands: [exit 3, echo never]
    finally: [echo cleaned $CODEBUILD_BUILD_SUCCEEDING]
  post_build: {commands: ['echo after $CODEBUILD_BUILD_SUCCEEDING']}
`)
    expect(said).toContain('= 3')
    expect(said).toContain('cleaned 0')
    expect(said).toContain('after 0')
    expect(said).not.toContain('never')
    expect(phases(said).slice(-4)).toEqual(['> BUILD', '< BUILD failed', '> POST_BUILD', '< POST_BUILD ok'])
  })

  test.each([
    ['install', 'default', ['> INSTALL', '< INSTALL failed']],
    ['pre_build', 'default', ['> INSTALL', '< INSTALL ok', '> PRE_BUILD', '< PRE_BUILD failed']],
    [
      'install',
      'CONTINUE',
      [
        '> INSTALL',
        '< INSTALL failed',
        '> PRE_BUILD',
        '< PRE_BUILD ok',
        '> BUILD',
        '< BUILD ok',
        '> POST_BUILD',
        '< POST_BUILD ok',
      ],
    ],
    ['build', 'ABORT', ['> INSTALL', '< INSTALL ok', '> PRE_BUILD', '< PRE_BUILD ok', '> BUILD', '< BUILD failed']],
  ])('%s failing, on-failure %s', async (phase, policy, expected) => {
    const line = policy === 'default' ? '' : `on-failure: ${policy}, `
    const { said } = await runBuildspec(`version: 0.2\nphases: {${phase}: {${line}commands: ['false']}}`)
    expect(phases(said)).toEqual(expected)
    expect(said.at(-1)).toBe('done')
  })

  it('survives syntax errors, set -e, unterminated quotes and a command that reads its input', async () => {
    const { said } = await runBuildspec(`version: 0.2
phases:
  install: {on-failure: CONTINUE, commands: ['if then', echo never]}
  pre_build: {on-failure: CONTINUE, commands: ['set -e; false; echo never']}
  build: {on-failure: CONTINUE, commands: ['echo "open']}
  post_build: {commands: [cat, 'echo fine # with a comment', 'echo two \\']}
`)
    expect(phases(said).filter((line) => line.startsWith('<'))).toEqual([
      '< INSTALL failed',
      '< PRE_BUILD failed',
      '< BUILD failed',
      '< POST_BUILD ok',
    ])
    expect(said).not.toContain('never')
    expect(said).toContain('fine')
    expect(said).toContain('two')
  })

  it('goes over breakpoints, as without a session', async () => {
    const { code, said } = await runBuildspec(
      'version: 0.2\nphases: {build: {commands: [false || codebuild-breakpoint, echo on, codebuild-resume]}}',
    )
    expect(code).toBe(0)
    expect(said).toContain('on')
    expect(said.filter((line) => /not found/.test(line))).toEqual([])
  })

  it('waits at breakpoints until it is told to go on', async () => {
    const { code, said } = await runBuildspec(
      `version: 0.2
phases:
  build:
    commands:
      - (until [ -e ../tmp/hold/paused ]; do sleep 0.05; done; echo resumed >seen; codebuild-resume) &
      - codebuild-breakpoint
      - cat seen
`,
      [],
      true,
    )
    expect(code).toBe(0)
    expect(said).toContain('resumed')
  })

  it('forgets variables between commands in version 0.1', async () => {
    const { said } = await runBuildspec('version: 0.1\nphases: {build: {commands: [A=1, cd /, "echo [$A]", pwd]}}')
    expect(said).toContain('[]')
    expect(said).not.toContain('/')
  })

  it('uses the shell that is asked for', async () => {
    const { said } = await runBuildspec(
      'version: 0.2\nenv: {shell: bash}\nphases: {build: {commands: ["a=(5 2); echo $((a[1]))", "export B=$\'x\\ny\'", "echo $B"]}}',
    )
    expect(said).toContain('2')
    expect(said).toContain('x y')
  })

  it('expands names in the environment the build left', async () => {
    const { said } = await runBuildspec('version: 0.2\nphases: {build: {commands: [cd /tmp, V=7]}}', [
      'plain',
      'app-$V-$(basename $PWD)-`echo "q(" `',
    ])
    expect(said).toContain('value app-$V-$(basename $PWD)-`echo "q(" ` is app-7-tmp-q(')
  })

  it('does not wait for what a command left running', async () => {
    const begun = performance.now()
    const { said } = await runBuildspec(
      'version: 0.2\nphases: {build: {commands: ["sleep 30 >/dev/null 2>&1 &", echo on]}}',
    )
    expect(said).toContain('on')
    expect(performance.now() - begun).toBeLessThan(15_000)
  })
})

describe('the output reader', () => {
  const stream = Buffer.from(
    'one\r\nhalf\x1eabc 1700000000123 phase BUILD\n10%\r100%\nüé\x1eabc 1700000000 exit 3 1\n\x1eabd 1 phase BUILD\nlast',
  )
  const whole = [
    { line: 'one', end: 5 },
    { line: 'half', end: 9 },
    { mark: { kind: 'phase', wall: 1700000000123, phase: 'BUILD' }, end: 40 },
    { line: '100%', end: 49 },
    { line: 'üé', end: 53 },
    { mark: { kind: 'exit', wall: 1700000000000, command: 3, code: 1 }, end: 78 },
    { line: '\x1eabd 1 phase BUILD', end: 97 },
    { line: 'last', end: 101 },
  ]
  test.each([1, 2, 3, 7, 1000])('in pieces of %d bytes', (size) => {
    const reader = outputReader('abc', 0)
    const items: OutputItem[] = []
    for (let at = 0; at < stream.length; at += size) items.push(...reader.push(stream.subarray(at, at + size)))
    items.push(...reader.push(new Uint8Array(), true))
    expect(items).toEqual(whole)
  })
  it('goes on from any item', () => {
    for (const [index, item] of whole.entries()) {
      const reader = outputReader('abc', item.end)
      expect(reader.push(stream.subarray(item.end), true)).toEqual(whole.slice(index + 1))
    }
  })
  it('bounds lines without end and marks that say nothing', () => {
    const reader = outputReader('abc', 0)
    const items = reader.push(Buffer.alloc(1_000_000, 'x'), true)
    expect(items.every((item) => 'line' in item && item.line.length <= 131072)).toBe(true)
    expect(items.reduce((sum, item) => sum + ('line' in item ? item.line.length : 0), 0)).toBe(1_000_000)
    expect(outputReader('abc', 0).push(Buffer.from('\x1eabc 1 phase NOWHERE\n\x1eabc x\n'), true)).toEqual([])
  })
})

test.runIf(process.getuid?.() === 0)('commands run as another user, from where they left it', async () => {
  const { said } = await runBuildspec(`version: 0.2
run-as: nobody
env: {exported-variables: [WHO]}
phases:
  install: {run-as: root, commands: ['id -un', 'chmod a+rx $HOME']}
  build: {commands: ['WHO=$(id -un)', cd /, 'pwd; id -un']}
  post_build: {run-as: no-such-user, commands: [echo never]}
`)
  expect(said.filter((line) => ['root', 'nobody', '/', 'never', 'WHO=nobody'].includes(line))).toEqual([
    'root',
    '/',
    'nobody',
    'WHO=nobody',
  ])
  expect(phases(said)).toContain('< POST_BUILD failed')
})
