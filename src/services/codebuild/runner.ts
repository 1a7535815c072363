import { type Buildspec, type PhaseName, phaseNames } from './buildspec.ts'

// The program that carries out a buildspec inside the build's environment, and the reading of what it writes.
//
// As on AWS every command is a script of its own that first takes over the variables and the folder the one before it
// left, so `export` and `cd` last while a command's `exit`, `set -e` or syntax error ends only that command. The runner
// tells what happens by marks between the output's lines: one ordered stream, and its offset is all that a server
// needs to go on reading after it was killed.

/** A file below the build folder, which the task sees as `/codebuild`. */
export type RunnerFile = { readonly path: string; readonly content: string; readonly mode: number }

export type RunnerPlan = {
  readonly files: readonly RunnerFile[]
  /** The text of command `n` is `commands[n - 1]`. */
  readonly commands: readonly string[]
  /** Texts that the build's shell expands, in the order of `value` marks. */
  readonly expansions: readonly string[]
}

/** Folder of the runner's files, below the build folder. */
export const runnerFolder = 'output/tmp'

/** What the build finds here it puts in place before its first command, below the build folder. */
export const cacheFolder = `${runnerFolder}/cache`

/** Where the runner copies artifacts that lie outside the build folder, below the build folder. */
export const outsideFolder = `${runnerFolder}/outside`

const singleQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** Whether a shell would change this text within double quotes. */
const needsShell = (text: string) => /[$`\\]/.test(text)

const script = (command: string, keep: boolean) => `. "\${0%/*}/env.sh"; cd "$(cat "\${0%/*}/dir.txt")"; set -a
${command}

CODEBUILD_LAST_EXIT=$?
${keep ? `export -p >"\${0%/*}/env.sh"; pwd >"\${0%/*}/dir.txt"\n` : ''}exit $CODEBUILD_LAST_EXIT
`

/**
 * `codebuild-breakpoint` waits in the build itself until `codebuild-resume` lets it go on, whatever becomes of the server.
 * Without a session both are ignored ("Debug builds with Session Manager", CodeBuild user guide).
 */
const breakpoint = `#!/bin/sh
hold=\${0%/*}/../hold
: >"$hold/paused" || exit 1
while [ -e "$hold/paused" ]; do sleep 0.2 2>/dev/null || sleep 1; done
`
const resume = `#!/bin/sh
rm -f "\${0%/*}/../hold/paused"
`
const ignore = '#!/bin/sh\n'

/** How each runtime tells its version. */
export const programs: Readonly<Record<string, string>> = {
  dotnet: 'dotnet --version',
  golang: 'go version',
  java: 'java -version',
  nodejs: 'node --version',
  php: 'php --version',
  python: 'python3 --version',
  ruby: 'ruby --version',
}

/** The version in `corretto17`, `3.x`, `20`; empty where any will do. */
const wantedVersion = (version: string): string =>
  version === 'latest' ? '' : version.replace(/^(corretto|openjdk)/, '').replace(/(\.x)+$/, '')

/**
 * Makes the runner of a buildspec.
 * @param nonce what tells the runner's marks from output; lower-case hexadecimal digits.
 * @param texts artifact names, patterns and folders to expand after the last phase.
 * @param paths which of them are paths: what lies outside the build folder is copied into it.
 * @param debug whether breakpoints hold.
 */
export const planRunner = (
  spec: Buildspec,
  nonce: string,
  texts: readonly string[],
  paths: readonly string[] = [],
  debug = false,
): RunnerPlan => {
  const commands: string[] = []
  const files: RunnerFile[] = []
  const put = (name: string, content: string, mode = 0o644) =>
    files.push({ path: `${runnerFolder}/${name}`, content, mode })
  const chain = (list: readonly string[], user: string | undefined) => {
    if (list.length === 0) return ':'
    return list
      .map((command) => {
        const number = commands.push(command)
        put(`script${number}.sh`, script(command, spec.version === '0.2'))
        return user === undefined || user === 'root' ? `run ${number}` : `run ${number} ${singleQuoted(user)}`
      })
      .join(' &&\n  ')
  }

  const body = phaseNames.map((name) => {
    const phase = spec.phases[name]
    const user = phase?.runAs ?? spec.runAs
    const runtimes = Object.entries(phase?.runtimeVersions ?? {}).map(
      ([runtime, version]) => `runtime ${runtime} ${singleQuoted(wantedVersion(version))} ${programs[runtime]} &&\n  `,
    )
    const action = phase?.onFailure.action ?? 'default'
    const ends =
      action === 'abort' || action === 'retry' || (action === 'default' && (name === 'INSTALL' || name === 'PRE_BUILD'))
    return `if [ $go = 1 ]; then
mark phase ${name}
state=SUCCEEDED
{ ${runtimes.join('')}${chain(phase?.commands ?? [], user)}; } || { state=FAILED; ok=0; }
{ ${chain(phase?.finally ?? [], user)}; } || { state=FAILED; ok=0; }
${ends ? '[ $state = SUCCEEDED ] || go=0\n' : ''}mark end ${name} $state
fi
`
  })

  const expansions = [...new Set(texts.filter(needsShell))]
  const end = `END_OF_TEXT_${nonce}`
  const abroad = [...new Set(paths.filter((path) => path.startsWith('/') || needsShell(path)))]
  const values = [
    ...spec.env.exportedVariables.map(
      (name) => `printf '\\036${nonce} 0 export ${name} '
printf %s "\${${name}-}" | base64 | tr -d '\\n'
printf '\\n'`,
    ),
    ...expansions.map(
      (text, index) => `printf '\\036${nonce} 0 value ${index} '
base64 <<${end} | tr -d '\\n'
${text}
${end}
printf '\\n'`,
    ),
    ...abroad.map((path) => `keep <<${end}\n${path}\n${end}`),
  ]
  put(
    'values.sh',
    `. "\${0%/*}/env.sh"; cd "$(cat "\${0%/*}/dir.txt")"
keep() {
  IFS= read -r path
  case $path in /codebuild | /codebuild/*) return ;; /?*) ;; *) return ;; esac
  [ -e "$path" ] && mkdir -p "\${0%/*}/outside\${path%/*}" && cp -a "$path" "\${0%/*}/outside$path"
}
${values.join('\n')}
`,
  )

  put('bin/codebuild-breakpoint', debug ? breakpoint : ignore, 0o755)
  put('bin/codebuild-resume', debug ? resume : ignore, 0o755)

  put(
    'run.sh',
    `tmp=\${0%/*}
shell=$(command -v ${spec.env.shell ?? 'sh'}) || { echo ${singleQuoted(`${spec.env.shell ?? 'sh'}: not found`)}; exit 127; }
mark() { printf '\\036${nonce} %s %s\\n' "$(date +%s%3N)" "$*"; }
run() {
  printf 'export CODEBUILD_BUILD_SUCCEEDING=%s\\n' $ok >>"$tmp/env.sh"
  mark command $1
  if [ -n "$2" ]; then
    # Another user reads and runs what is there, and leaves his variables and folder as any command does.
    chmod a+rw "$tmp/env.sh" "$tmp/dir.txt" && chmod -R a+rX "$CODEBUILD_SRC_DIR" "$tmp"
    su -s /bin/sh -c "exec env -i '$shell' '$tmp/script$1.sh'" "$2" </dev/null 2>&1
  else
    env -i "$shell" "$tmp/script$1.sh" </dev/null 2>&1
  fi
  code=$?
  mark exit $1 $code
  return $code
}
# Name, version wanted, program: the version that is there, of which as many parts count as are wanted.
runtime() {
  found=$("$3" "$4" 2>&1 | sed -n 's/^[^0-9]*\\([0-9][0-9.]*\\).*/\\1/p' | head -n 1)
  case $found in '') ;; "$2" | "$2".*) return 0 ;; *) [ -n "$2" ] || return 0 ;; esac
  mark runtime "$1" "$found"
  return 1
}
ok=1 go=1
mkdir -p "$HOME" 2>/dev/null
# A cache never takes the place of what the source has.
for tree in source:"$CODEBUILD_SRC_DIR" build:"\${tmp%/${runnerFolder}}" outside:/; do
  [ -d "$tmp/cache/\${tree%%:*}" ] && cp -an "$tmp/cache/\${tree%%:*}/." "\${tree#*:}" 2>/dev/null
done
rm -rf "$tmp/cache"
${debug ? 'mkdir "$tmp/hold" && chmod 1777 "$tmp/hold"\n' : ''}PATH=$PATH:$tmp/bin; export PATH
mark start
cd "$CODEBUILD_SRC_DIR" || exit 1
export -p >"$tmp/env.sh"; pwd >"$tmp/dir.txt"
${body.join('')}env -i "$shell" "$tmp/values.sh" </dev/null 2>/dev/null
# Whoever made the folder reads and removes what is in it, whomever the commands gave it to.
whole=\${tmp%/${runnerFolder}}
owner=$(stat -c %u:%g "$whole")
find "$whole" ! -user "\${owner%:*}" -exec chown -h "$owner" {} + 2>/dev/null
find "$whole" \\( -type d ! -perm -500 -o -type f ! -perm -400 \\) -exec chmod u+rwX {} + 2>/dev/null
mark done
`,
  )
  return { files, commands, expansions }
}

/** What the runner says, with its own wall clock's milliseconds (0 where it matters not). */
export type Mark =
  | { readonly kind: 'start' | 'done'; readonly wall: number }
  | { readonly kind: 'phase'; readonly wall: number; readonly phase: PhaseName }
  | { readonly kind: 'end'; readonly wall: number; readonly phase: PhaseName; readonly succeeded: boolean }
  | { readonly kind: 'command'; readonly wall: number; readonly command: number }
  | { readonly kind: 'runtime'; readonly name: string; readonly found: string }
  | { readonly kind: 'exit'; readonly wall: number; readonly command: number; readonly code: number }
  | { readonly kind: 'export'; readonly name: string; readonly value: string }
  | { readonly kind: 'value'; readonly index: number; readonly value: string }

/** A line of the build's output, or a mark; `end` is the offset in the stream just behind it. */
export type OutputItem = { readonly end: number } & ({ readonly line: string } | { readonly mark: Mark })

/** Longest line passed on; longer ones are cut into pieces of this many bytes. */
const lineLimit = 128 * 1024
/** Longest mark believed (the value of an exported variable is in it). */
const markLimit = 1024 * 1024

const markOf = (text: string): Mark | undefined => {
  const [time = '', kind, first = '', second = ''] = text.split(' ')
  const digits = /^\d{1,15}/.exec(time)?.[0] ?? '0'
  // A `date` without %N leaves ten digits of seconds.
  const wall = digits.length > 11 ? Number(digits) : Number(digits) * 1000
  const phase = phaseNames.find((name) => name === first)
  const number = /^\d{1,6}$/.test(first) ? Number(first) : undefined
  switch (kind) {
    case 'start':
    case 'done':
      return { kind, wall }
    case 'phase':
      return phase && { kind, wall, phase }
    case 'end':
      return phase && { kind, wall, phase, succeeded: second === 'SUCCEEDED' }
    case 'command':
      return number === undefined ? undefined : { kind, wall, command: number }
    case 'exit':
      return number === undefined ? undefined : { kind, wall, command: number, code: Number(second) || 0 }
    case 'runtime':
      return { kind, name: first, found: second }
    case 'export':
      return { kind, name: first, value: Buffer.from(second, 'base64').toString() }
    case 'value':
      return number === undefined
        ? undefined
        : { kind, index: number, value: Buffer.from(second, 'base64').toString().replace(/\n$/, '') }
    default:
      return undefined
  }
}

/** Cuts the task's output into lines and marks, however the bytes arrive. */
export const outputReader = (nonce: string, offset: number) => {
  const sign = Buffer.from(`\x1e${nonce} `)
  let rest: Buffer = Buffer.alloc(0)
  let position = offset

  const text = (bytes: Buffer) => {
    const line = bytes.toString()
    // What a terminal would have overwritten (progress bars) is dropped, as far as one line goes.
    const kept = line.endsWith('\r') ? line.slice(0, -1) : line
    return kept.slice(kept.lastIndexOf('\r') + 1)
  }

  const take = (count: number) => {
    const taken = rest.subarray(0, count)
    rest = rest.subarray(count)
    position += count
    return taken
  }

  /** @param last nothing follows: what is left without a line's end is a line too. */
  const push = (chunk: Uint8Array, last = false): OutputItem[] => {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    const items: OutputItem[] = []
    while (rest.length > 0) {
      const feed = rest.indexOf(10)
      const mark = (feed < 0 ? rest : rest.subarray(0, feed)).indexOf(sign)
      if (mark === 0) {
        if (feed < 0 && !last && rest.length < markLimit) break
        const whole = take(feed < 0 ? rest.length : feed + 1)
        const found = markOf(whole.toString('utf8', sign.length).trimEnd())
        if (found) items.push({ mark: found, end: position })
        continue
      }
      // A mark may begin in the middle of a line whose command printed no line feed.
      const stop = mark > 0 && (feed < 0 || mark < feed) ? mark : feed
      if (stop >= 0 && stop <= lineLimit) {
        const line = text(take(stop))
        if (stop === feed) take(1)
        items.push({ line, end: position })
        continue
      }
      if (rest.length >= lineLimit) {
        items.push({ line: text(take(lineLimit)), end: position })
        continue
      }
      if (!last) break
      items.push({ line: text(take(rest.length)), end: position })
    }
    return items
  }

  return { push }
}
