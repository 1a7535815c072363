import { execFile } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where the host's own programs are looked for; an ordinary user's PATH lacks the sbin folders. */
export const HOST_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** The environment of everything that runs before privileges are dropped: a task's own variables must not reach it. */
export const HOST_ENV: Readonly<Record<string, string>> = { PATH: HOST_PATH, LC_ALL: 'C' }

/** The file of a host program, `undefined` when it is not installed. */
export const findProgram = (name: string): string | undefined => {
  for (const folder of HOST_PATH.split(':')) {
    const file = join(folder, name)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {}
  }
  return undefined
}

/**
 * Whose rights the sandbox has. `root`: the real ones, no user namespace. `range`: an ordinary user with subordinate
 * ids, so that all users exist inside. `single`: an ordinary user; inside there is root alone.
 */
export type Rights = 'root' | 'range' | 'single'

const CAP_SYS_ADMIN = 1n << 21n

/** True when this process may make namespaces and mounts by itself: uid 0 in a container often may not. */
export const isPrivileged = (): boolean => {
  if (process.geteuid?.() !== 0) return false
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return effective !== undefined && (BigInt(`0x${effective}`) & CAP_SYS_ADMIN) !== 0n
}

/** Options of `unshare` that make the user namespace these rights need. */
export const userNamespace = (rights: Rights): readonly string[] =>
  rights === 'root' ? [] : rights === 'range' ? ['-U', '--map-auto', '--map-root-user'] : ['-U', '--map-root-user']

export type Finished = { readonly code: number; readonly stdout: string; readonly stderr: string }

/** Runs a host program to its end; a failure is a code, not a throw. */
export const run = (
  program: string,
  args: readonly string[],
  options: { input?: string; timeout?: number } = {},
): Promise<Finished> =>
  new Promise((done) => {
    const child = execFile(
      program,
      args,
      { env: HOST_ENV, timeout: options.timeout ?? 20_000, killSignal: 'SIGKILL', maxBuffer: 16 << 20 },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : 255) : 0
        done({ code, stdout, stderr: stderr || (error && code === 255 ? error.message : '') })
      },
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input ?? '')
  })

/** A process as it can be recognized later: ids are used again, start times within one boot are not. */
export type ProcessId = { readonly pid: number; readonly started: string }

/** Reads what a shell wrote from `/proc/self/stat`. */
export const parseStat = (line: string): ProcessId | undefined => {
  const match = /^(\d+) \(.*\) \S (.*)$/s.exec(line.trim())
  const started = match?.[2]?.split(' ')[18]
  return match && started ? { pid: Number(match[1]), started } : undefined
}

/** True while that very process lives (a zombie does not). */
export const isAlive = ({ pid, started }: ProcessId): boolean => {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return parseStat(line)?.started === started && !/^\d+ \(.*\) [ZX] /s.test(line)
  } catch {
    return false
  }
}

/** Signals that very process, or its group. */
export const signal = (id: ProcessId, name: NodeJS.Signals, group = false): void => {
  if (!isAlive(id)) return
  try {
    process.kill(group ? -id.pid : id.pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Quotes for `sh`. */
export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/**
 * A shell line that brings up the loopback interface of a network namespace and gives it these addresses: by `ip`, or
 * where that is not installed by perl, which every Debian has (netdevice(7)).
 */
export const loopback = (addresses: readonly string[], without: readonly string[] = []): string =>
  findProgram('ip') && !without.includes('ip')
    ? `ip -batch - <<'DRYDOCK'
link set lo up
${addresses.map((address) => `address add ${address}/32 dev lo`).join('\n')}
DRYDOCK`
    : `perl -e '
use Socket; use strict;
my ($GET, $SET, $ADDRESS, $MASK) = (0x8913, 0x8914, 0x8916, 0x891c);
socket(my $s, PF_INET, SOCK_DGRAM, 0) or die "socket: $!\\n";
sub up { my $q = pack("a16 x24", $_[0]); ioctl($s, $GET, $q) or die "$_[0]: $!\\n";
  my $f = unpack("x16 s", $q) | 1; $q = pack("a16 s x22", $_[0], $f); ioctl($s, $SET, $q) or die "$_[0]: $!\\n" }
sub give { my ($call, $name, $address) = @_;
  my $q = pack("a16 S x2 a4 x16", $name, AF_INET, inet_aton($address)); ioctl($s, $call, $q) or die "$name: $!\\n" }
up("lo");
my $n = 0;
for (@ARGV) { my $name = "lo:" . $n++; give($ADDRESS, $name, $_); give($MASK, $name, "255.255.255.255"); up($name) }
' ${addresses.join(' ')}`
