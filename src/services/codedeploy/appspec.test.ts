import { describe, expect, test } from 'vitest'
import { AppspecError, matchesPattern, parseAppspec } from './appspec.ts'

const head = 'version: 0.0\nos: linux\n'

test('a mode with a leading zero is octal, unless it is in quotes', () => {
  const modeOf = (mode: string) =>
    parseAppspec(`${head}permissions:\n  - {object: /srv, mode: ${mode}}`).permissions[0]?.mode
  expect([modeOf('644'), modeOf('0644'), modeOf('"0644"'), modeOf('4755')]).toEqual(['0644', '0420', '0644', '4755'])
})

test.each(['u::rw', 'g::r', '::rw', 'user::rwx', 'o::r', 'other:r'])(
  'an access control list with %s, which is for nobody by name, is refused',
  (acl) => {
    expect(() => parseAppspec(`${head}permissions:\n  - {object: /srv, acls: ["${acl}"]}`)).toThrow(/use mode/)
  },
)

test('a whole AppSpec file', () => {
  expect(
    parseAppspec(`${head}files:
  - source: /
    destination: /var/www/
  - source: config/app.txt
    destination: /etc/app
file_exists_behavior: RETAIN
permissions:
  - object: /var/www/
    pattern: "**"
    except: ["/x", "*.bak"]
    owner: web
    group: 33
    mode: 644
    acls: ["u:deploy:rw", "d:g::r-x"]
    context: { user: u, type: httpd_sys_content_t, range: s0 }
    type: [file]
hooks:
  ApplicationStop:
  BeforeInstall:
    - location: scripts/a.sh
      timeout: "300"
      runas: root
    - location: /scripts/b.sh
`),
  ).toEqual({
    files: [
      { source: '.', destination: '/var/www' },
      { source: 'config/app.txt', destination: '/etc/app' },
    ],
    fileExistsBehavior: 'RETAIN',
    permissions: [
      {
        object: '/var/www',
        pattern: '**',
        except: ['/x', '*.bak'],
        owner: 'web',
        group: '33',
        mode: '0644',
        acls: ['u:deploy:rw', 'd:g::r-x'],
        context: { user: 'u', type: 'httpd_sys_content_t', range: 's0' },
        type: ['file'],
      },
    ],
    hooks: {
      ApplicationStop: [],
      BeforeInstall: [
        { location: 'scripts/a.sh', timeout: 300, runas: 'root' },
        { location: 'scripts/b.sh', timeout: 3600 },
      ],
    },
  })
})

test('JSON is YAML, and little is required', () => {
  expect(parseAppspec('{"version": 0.0, "os": "linux"}')).toEqual({ files: [], permissions: [], hooks: {} })
})

const permission = (line: string) => `${head}permissions:\n  - object: /x\n    ${line}\n`

describe('what is refused, and how', () => {
  test.each([
    ['', 'The AppSpec file is not a mapping'],
    ['- a', 'The AppSpec file is not a mapping'],
    ['a: [', /^The AppSpec file is not valid YAML: /],
    ['version: 1.0\nos: linux', /an invalid version value \(1\) was entered in the application specification file/],
    ['version: "0.0"\nos: linux', /an invalid version value \(0.0\)/],
    ['version: 0.0\nos: windows', /is for Windows Server \(os: windows\), and this instance runs Linux/],
    ['version: 0.0', /specifies an unsupported operating system \(\)/],
    [`${head}files: yes`, 'The files section of the AppSpec file is not a list'],
    [`${head}files:\n  - x`, 'An entry of the files section is not a mapping'],
    [`${head}files:\n  - source: a`, 'The AppSpec file has no destination for a file'],
    [`${head}files:\n  - destination: /a`, 'The AppSpec file has no source for a file'],
    [`${head}files:\n  - source: a\n    destination: b`, 'The destination b is not an absolute path'],
    [
      `${head}files:\n  - source: a/../../b\n    destination: /b`,
      'The source a/../../b is outside of the deployment archive',
    ],
    [`${head}file_exists_behavior: MAYBE`, /an invalid option was specified for fileExistsBehavior: MAYBE/],
    [
      `${head}permissions:\n  - mode: 644`,
      /a permission listed in the application specification file has no object value/,
    ],
    [permission('mode: 64400'), /the length of a permissions mode \(64400\)/],
    [
      permission('mode: 689'),
      /the permissions mode \(689\) in the application specification file contains an invalid character \(8\)/,
    ],
    [permission('type: [socket]'), /an object type not supported for permissions \(socket\)/],
    [permission('type: file'), 'The type of a permission section of the AppSpec file is not a list'],
    [permission('acls: ["$(reboot)"]'), 'The entry $(reboot) in the acls of a permission is not valid'],
    [permission('context: { type: t, role: r }'), /specifies a role, but roles are not supported/],
    [
      `${head}hooks:\n  Whenever:\n    - location: a`,
      'appspec.yml file contains unknown lifecycle events: ["Whenever"]',
    ],
    [`${head}hooks: [BeforeInstall]`, 'The hooks section is not a mapping'],
    [`${head}hooks:\n  BeforeInstall: a.sh`, 'The BeforeInstall section of the AppSpec file is not a list'],
    [`${head}hooks:\n  BeforeInstall:\n    - a.sh`, 'A script of BeforeInstall is not a mapping'],
    [`${head}hooks:\n  BeforeInstall:\n    - timeout: 3`, /specifies a script with no location value/],
    [`${head}hooks:\n  BeforeInstall:\n    - location: ../a`, 'The script ../a is outside of the deployment archive'],
    ...['0', '-1', 'soon', '.inf'].map((timeout) => [
      `${head}hooks:\n  BeforeInstall:\n    - location: a\n      timeout: ${timeout}`,
      /an invalid timeout value was provided for a script/,
    ]),
    [`${head}x: &a [1]\ny: [${'*a, '.repeat(200)}]`, 'The AppSpec file has too many aliases'],
    ['x'.repeat(1024 * 1024 + 1), 'The deployment specification is too large'],
  ] as [string, string | RegExp][])('%j', (text, message) => {
    let thrown: unknown
    try {
      parseAppspec(text)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(AppspecError)
    if (thrown instanceof AppspecError) expect(thrown.message).toMatch(message)
  })
})

test.each([
  ['**', 'a', true],
  ['**', 'a/b/c', true],
  ['*', 'a', true],
  ['*', 'a/b', false],
  ['*.sh', 'run.sh', true],
  ['*.sh', '.sh', true],
  ['*.sh', 'bin/run.sh', false],
  ['*.sh', 'run.shx', false],
  ['a*b*c', 'abc', true],
  ['a*b*c', 'a-b-b-c', true],
  ['a*b*c', 'acb', false],
  ['ab*ba', 'aba', false],
  ['ab*ba', 'abba', true],
  ['a', 'a', true],
  ['a', 'ab', false],
  ['a.c', 'abc', false],
  [`${'*a'.repeat(30)}b`, 'a'.repeat(5000), false],
])('the pattern %s and the name %s: %s', (pattern, name, matches) => {
  expect(matchesPattern(pattern, name)).toBe(matches)
})
