import { describe, expect, it } from 'vitest'
import { parseBatchspec } from './batchspec.ts'

const tasks = (batch: string, limit = 100) => parseBatchspec(`version: 0.2\nbatch:\n${batch}`, limit).tasks
const refused = (batch: string, limit = 100) => {
  try {
    tasks(batch, limit)
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
  return 'taken'
}

describe('a batch', () => {
  it('of a graph', () => {
    expect(
      tasks(`  build-graph:
    - identifier: one
      env: {compute-type: BUILD_GENERAL1_LARGE, image: 'aws/codebuild/standard:7.0', privileged-mode: true, variables: {A: 1}}
      ignore-failure: true
    - {identifier: two, buildspec: two.yml, depend-on: [one]}`),
    ).toEqual([
      {
        identifier: 'one',
        dependsOn: [],
        ignoreFailure: true,
        computeType: 'BUILD_GENERAL1_LARGE',
        image: 'aws/codebuild/standard:7.0',
        privileged: true,
        variables: { A: '1' },
      },
      { identifier: 'two', dependsOn: ['one'], ignoreFailure: false, buildspec: 'two.yml', variables: {} },
    ])
  })

  it('of a matrix has every combination', () => {
    const found = tasks(`  build-matrix:
    static: {ignore-failure: true, env: {type: LINUX_CONTAINER, variables: {ALL: yes}}}
    dynamic:
      buildspec: [a.yml, b.yml]
      env: {variables: {V: [1, 2], W: x}}`)
    expect(found.map((one) => [one.identifier, one.buildspec, one.variables])).toEqual([
      ['build0', 'a.yml', { ALL: 'yes', V: '1', W: 'x' }],
      ['build1', 'a.yml', { ALL: 'yes', V: '2', W: 'x' }],
      ['build2', 'b.yml', { ALL: 'yes', V: '1', W: 'x' }],
      ['build3', 'b.yml', { ALL: 'yes', V: '2', W: 'x' }],
    ])
    expect(found.every(({ ignoreFailure, type }) => ignoreFailure && type === 'LINUX_CONTAINER')).toBe(true)
  })

  it('with a session for debugging', () => {
    const found = tasks('  build-list: [{identifier: a, debug-session: true}, {identifier: b}]')
    expect(found.map(({ debug }) => debug)).toEqual([true, undefined])
  })

  it('that fans out', () => {
    const found = tasks('  build-fanout: {parallelism: 3, ignore-failure: false}')
    expect(found.map(({ variables }) => variables.CODEBUILD_CURRENT_SHARD)).toEqual(['0', '1', '2'])
  })

  it.each<[string, RegExp, number?]>([
    ['  fast-fail: true', /no batch/],
    ['  build-list: []', /has no builds/],
    ['  build-list: [{identifier: a}, {identifier: a}]', /must be unique/],
    ['  build-list: [{identifier: a-b}]', /Invalid build identifier: a-b at line 3/],
    ['  build-list: [{buildspec: a}]', /No identifier/],
    ['  build-graph: [{identifier: a, depend-on: [b]}]', /depends on b, which is not there/],
    ['  build-graph: [{identifier: a, depend-on: [b]}, {identifier: b, depend-on: [a]}]', /depend on each other: a, b/],
    ['  build-list: [{identifier: a}]\n  build-fanout: {parallelism: 2}', /more than one type/],
    ['  build-fanout: {parallelism: 1}', /between 2 and 100/],
    ['  build-matrix: {dynamic: {env: {variables: {A: [1, 2, 3], B: [1, 2, 3]}}}}', /more than 8 builds/, 8],
  ])('%s', (batch, message, limit = 100) => {
    expect(refused(batch, limit)).toMatch(message)
  })
})
