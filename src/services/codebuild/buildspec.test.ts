import { describe, expect, it, test } from 'vitest'
import { parseBuildspec } from './buildspec.ts'
import { BuildspecError } from './yaml-reader.ts'

const complaint = (text: string) => {
  try {
    parseBuildspec(text)
  } catch (error) {
    if (error instanceof BuildspecError) return error.message
    throw error
  }
  return 'no error'
}

describe('a whole buildspec', () => {
  const spec = parseBuildspec(`version: 0.2
env:
  shell: bash
  variables: {LEVEL: 010, EMPTY: , FLAG: yes}
  parameter-store: {TOKEN: /app/token}
  secrets-manager: {KEY: "app:key:AWSCURRENT"}
  exported-variables: [TAG, LEVEL]
  git-credential-helper: yes
phases:
  install:
    runtime-versions: {nodejs: 20}
  pre_build:
    on-failure: ABORT
    commands: echo one
  build:
    on-failure: RETRY-2-timed out
    commands:
      - npm test
      - |
        if true; then
          echo many
        fi
      - true
    finally:
      - echo over
artifacts:
  files: ['**/*']
  exclude-paths: [node_modules/**/*]
  base-directory: 'dist*'
  name: app-$(date +%Y)
  discard-paths: no
  secondary-artifacts:
    docs:
      files: [README.md]
      discard-paths: yes
cache:
  paths: ['/root/.npm/**/*']
reports:
  units: {files: ['*.xml']}
`)
  test('phases', () => {
    expect(spec.phases.BUILD).toEqual({
      commands: ['npm test', 'if true; then\n  echo many\nfi\n', 'true'],
      finally: ['echo over'],
      onFailure: { action: 'retry', count: 2, pattern: 'timed out' },
      runtimeVersions: {},
    })
    expect(spec.phases.PRE_BUILD).toMatchObject({ commands: ['echo one'], onFailure: { action: 'abort' } })
    expect(spec.phases.INSTALL).toMatchObject({ commands: [], runtimeVersions: { nodejs: '20' } })
    expect(spec.phases.POST_BUILD).toBeUndefined()
  })
  test('scalars stay as written', () => {
    expect(spec.env.variables).toEqual({ LEVEL: '010', EMPTY: '', FLAG: 'yes' })
    expect(spec.env.shell).toBe('bash')
    expect(spec.env.gitCredentialHelper).toBe(true)
    expect(spec.env.exportedVariables).toEqual(['TAG', 'LEVEL'])
  })
  test('artifacts, cache, reports', () => {
    expect(spec.artifacts).toEqual({
      files: ['**/*'],
      excludePaths: ['node_modules/**/*'],
      baseDirectory: 'dist*',
      name: 'app-$(date +%Y)',
      discardPaths: false,
      enableSymlinks: false,
    })
    expect(spec.secondaryArtifacts.docs).toMatchObject({ files: ['README.md'], discardPaths: true })
    expect(spec.cache.paths).toEqual(['/root/.npm/**/*'])
    expect(spec.reports.map(({ group }) => group)).toEqual(['units'])
  })
})

it('reads JSON, anchors and merge keys', () => {
  expect(parseBuildspec('{"version":"0.2","phases":{"build":{"commands":["a"]}}}').phases.BUILD?.commands).toEqual([
    'a',
  ])
  const spec = parseBuildspec(`version: 0.2
x: &base
  on-failure: CONTINUE
phases:
  build:
    <<: *base
    commands: [a]
`)
  expect(spec.phases.BUILD?.onFailure).toEqual({ action: 'continue' })
})

const bomb = `version: 0.2
a: &a [x,x,x,x,x,x,x,x,x]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]
d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]
phases: {build: {commands: [a]}}`

const build = 'phases: {build: {commands: [a]}}'

test.each([
  ['', /wrong number of container tags, expected 1/],
  ['just text', /wrong number of container tags, expected 1/],
  [build, /must have a version/],
  [`version: 0.9\n${build}`, /Invalid version: 0.9 at line 1/],
  ['version: 0.2', /at least one phase/],
  [
    'version: 0.2\nphases:\n  bild:\n    commands: [a]',
    /Invalid buildspec phase name: bild. Expecting: BUILD,INSTALL,POST_BUILD,PRE_BUILD at line 4/,
  ],
  [
    'version: 0.2\nphases:\n  build:\n    commands:\n      - a\n      - echo "x: y"z: 1\n',
    /Expected Commands\[1\] to be of string type: found subkeys instead at line 6|at line 6/,
  ],
  [
    'version: 0.2\nphases:\n  build:\n    commands:\n      - echo hello: world\n',
    /Expected Commands\[0\] to be of string type: found subkeys instead at line 5/,
  ],
  ['version: 0.2\nphases:\n\tbuild: x', /line 3/],
  ['version: 0.2\nphases: [', /line/],
  [`version: 0.2\nenv: {variables: {"A B": c}}\n${build}`, /Invalid environment variable name: A B/],
  [`version: 0.2\nenv: {shell: powershell.exe}\n${build}`, /Shell powershell.exe is not supported/],
  ['version: 0.2\nphases: {build: {on-failure: PANIC, commands: [a]}}', /Invalid on-failure value: PANIC/],
  [`version: 0.2\n${build}\nartifacts: {name: x}`, /No files are given for artifacts/],
  [`version: 0.2\n${build}\nartifacts: {files: [a], discard-paths: maybe}`, /yes or no/],
  [`version: 0.2\n${build}\n${build}`, /line 3/],
  [bomb, /alias/i],
  [`version: 0.2\n#${'x'.repeat(600_000)}\n${build}`, /larger than/],
])('refuses %#', (text, expected) => {
  expect(complaint(text)).toMatch(expected)
})
