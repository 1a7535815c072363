import { describe, expect, it } from 'vitest'
import { planOf, readSpec } from './ec2-plan.ts'

describe('a deploy spec file', () => {
  it('is read in its own format', () => {
    const spec = `version: 0.1
files:
  - source: /index.html
    destination: /var/www/html/
scripts:
  BeforeDeploy:
    - location: scripts/install_dependencies
      timeout: 300
      runas: myuser
  AfterDeploy:
    - location: scripts/start_server
`
    expect(readSpec(spec)).toEqual({
      files: [{ source: '/index.html', destination: '/var/www/html/' }],
      before: [{ location: 'scripts/install_dependencies', timeout: 300, runas: 'myuser' }],
      after: [{ location: 'scripts/start_server', timeout: 3600 }],
    })
  })

  it('is read in CodeDeploy’s, whose hooks are before or after', () => {
    const spec = `version: 0.0
os: linux
hooks:
  ValidateService: [{location: check.sh}]
  ApplicationStop: [{location: stop.sh}]
  BeforeInstall: [{location: clean.sh}]
  ApplicationStart: [{location: start.sh}]
`
    const { files, before, after } = readSpec(spec)
    expect(files).toEqual([])
    expect(before.map(({ location }) => location)).toEqual(['stop.sh', 'clean.sh'])
    expect(after.map(({ location }) => location)).toEqual(['start.sh', 'check.sh'])
  })

  it.each([
    ['version: 2', /version 2/],
    ['version: 0.1\nfiles: x', /files must be a list/],
    ['version: 0.1\nfiles: [{source: a}]', /destination must be a text/],
    ['version: 0.1\nscripts: {AfterDeploy: [{location: a, timeout: soon}]}', /timeout/],
    ['a: &a [x]\nb: *a', /not valid/],
    ['[', /not valid/],
  ])('%j is refused', (text, message) => expect(() => readSpec(text)).toThrow(message))
})

it('without one everything goes into one folder', () => {
  expect(planOf({ TargetDirectory: '/srv/app', PostScript: 'start.sh' })).toEqual({
    files: [{ source: '/', destination: '/srv/app' }],
    before: [],
    after: [{ location: 'start.sh', timeout: 3600, folder: '/srv/app' }],
  })
})
