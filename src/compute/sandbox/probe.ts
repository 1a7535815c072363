import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Capabilities } from '../driver.ts'
import type { Cgroups } from './cgroup.ts'
import { findCgroups } from './cgroup.ts'
import type { Rights } from './host.ts'
import { findProgram, isPrivileged, loopback, quote, run, userNamespace } from './host.ts'
import { doorsFile, outboundSetup, transparent } from './outbound.ts'

/** What this host can do, with what the driver needs to know to do it. */
export type Found = {
  readonly rights: Rights
  readonly overlay: boolean
  /**
   * `vpc`: bridges, routes and packet rules. `alone`: the host lacks what these need, so each machine has a network
   * namespace for itself, in which there are only the doors.
   */
  readonly network: 'vpc' | 'alone' | 'none'
  /** Programs to do without, as if they were not installed: for trying what a barer host would do. */
  readonly without: readonly string[]
  readonly cgroups: Cgroups | undefined
  readonly capabilities: Capabilities
}

const PROGRAMS: readonly { program: string; adds: string; install: string; for: 'all' | 'addresses' | 'users' }[] = [
  {
    program: 'unshare',
    adds: 'namespaces: without it the sandbox runs nothing',
    install: 'apt-get install util-linux',
    for: 'all',
  },
  { program: 'nsenter', adds: 'commands inside running tasks', install: 'apt-get install util-linux', for: 'all' },
  { program: 'setpriv', adds: 'dropped privileges', install: 'apt-get install util-linux', for: 'all' },
  { program: 'mount', adds: 'root file systems', install: 'apt-get install mount', for: 'all' },
  { program: 'chroot', adds: 'root file systems', install: 'apt-get install coreutils', for: 'all' },
  { program: 'tar', adds: 'files in tasks, tarball images', install: 'apt-get install tar', for: 'all' },
  {
    program: 'ip',
    adds: 'subnets and routes of a VPC',
    install: 'apt-get install iproute2',
    for: 'addresses',
  },
  {
    program: 'nft',
    adds: 'machines that reach each other inside their VPC, under security groups',
    install: 'apt-get install nftables',
    for: 'addresses',
  },
  {
    program: 'newuidmap',
    adds: 'more users than root inside (chown, su, sshd)',
    install: 'apt-get install uidmap',
    for: 'users',
  },
]

const first = (text: string) => text.trim().split('\n')[0] ?? ''

/** Tries everything once, for real: a kernel that has a feature may still refuse it. */
export const probeHost = async (folder: string, without: readonly string[] = []): Promise<Found> => {
  const notes: string[] = []
  const missing = PROGRAMS.filter(({ program }) => without.includes(program) || !findProgram(program))
  const lacks = (kind: 'all' | 'addresses' | 'users') => missing.filter((one) => one.for === kind)
  const nothing = (reason: string, rights: Rights): Found => ({
    rights,
    overlay: false,
    network: 'none',
    without,
    cgroups: undefined,
    capabilities: {
      driver: 'sandbox',
      available: false,
      isolation: 'namespaces',
      images: [],
      machines: false,
      addresses: false,
      peers: false,
      limits: false,
      privileged: false,
      outbound: false,
      notes: [reason],
      missing: missing.map(({ program, adds, install }) => ({ program, adds, install })),
    },
  })
  if (process.platform !== 'linux') return nothing('The sandbox needs Linux.', 'single')
  const needed = lacks('all')
  if (needed.length > 0)
    return nothing(`The sandbox needs ${needed.map(({ program }) => program).join(', ')}.`, 'single')

  const attempt = (rights: Rights, namespaces: readonly string[], script: string) =>
    run('unshare', [
      ...userNamespace(rights),
      ...namespaces,
      '--propagation',
      'private',
      '--fork',
      '--kill-child',
      'sh',
      '-c',
      script,
    ])
  const basic = ['-m', '-p', '-i', '-u']
  let rights: Rights = isPrivileged() ? 'root' : 'range'
  let tried = await attempt(rights, basic, 'true')
  if (tried.code !== 0 && rights === 'range') {
    const why = first(tried.stderr)
    rights = 'single'
    tried = await attempt(rights, basic, 'true')
    if (tried.code === 0)
      notes.push(`Inside there is no user but root: ${lacks('users').length > 0 ? 'newuidmap is not installed' : why}.`)
  }
  if (tried.code !== 0)
    return nothing(
      `This host refuses namespaces: ${first(tried.stderr)}.${
        existsSync('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')
          ? ' (kernel.apparmor_restrict_unprivileged_userns=0 allows them to ordinary users.)'
          : ''
      }`,
      rights,
    )

  await mkdir(folder, { recursive: true, mode: 0o700 })
  const trial = await mkdtemp(join(folder, 'probe-'))
  let overlay = false
  try {
    for (const name of ['lower', 'upper', 'work', 'root', 'proc']) await mkdir(join(trial, name))
    const xattr = rights === 'root' ? '' : ',userxattr'
    const [mounted, proc] = await Promise.all([
      attempt(
        rights,
        basic,
        `cd ${quote(trial)} && mount -n -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work${xattr} root && echo x > root/x && rm root/x`,
      ),
      attempt(rights, basic, `mount -n -t proc proc ${quote(join(trial, 'proc'))}`),
    ])
    if (proc.code !== 0)
      return nothing(`This host refuses a /proc of its own to a task: ${first(proc.stderr)}.`, rights)
    overlay = mounted.code === 0
    if (!overlay)
      notes.push(
        `Overlay file systems are refused (${first(mounted.stderr)}): the host's system folders are read-only inside, and images are copied at each first start.`,
      )
  } finally {
    const { removeTree } = await import('./rootfs.ts')
    await removeTree(trial, rights).catch(() => rm(trial, { recursive: true, force: true }))
  }

  let network: Found['network'] = 'none'
  const attemptNetwork = (script: string) => attempt(rights, [...basic, '-n'], script)
  let why = lacks('addresses')
    .map(({ program, install }) => `${program} is not installed (${install})`)
    .join(', ')
  if (why === '') {
    const tried = await attemptNetwork(
      `ip link set lo up && ip link add b0 type bridge && ip link add v0 type veth peer name v1 && ip link set v0 master b0 && echo 1 > /proc/sys/net/ipv4/ip_forward && nft 'add table inet t; add chain inet t c { type filter hook input priority 0; policy drop; }; add rule inet t c ct state established accept; add table bridge t; add chain bridge t c { type filter hook prerouting priority 0; }'`,
    )
    if (tried.code === 0) network = 'vpc'
    else why = `bridges and packet rules are refused (${first(tried.stderr)})`
  }
  if (network === 'none') {
    const tried = await attemptNetwork(loopback(['169.254.169.254'], without))
    if (tried.code === 0) {
      network = 'alone'
      notes.push(
        `Each machine is alone in its network, for ${why}: machines of a VPC do not reach each other; what comes from outside is held against the security groups.`,
      )
    } else
      notes.push(
        `Machines and tasks in a VPC cannot run: a network of their own is refused (${first(tried.stderr)}); ${why}.`,
      )
  }
  const addresses = network !== 'none'
  let outbound = false
  if (network === 'vpc') {
    const tried = await attemptNetwork(
      `${outboundSetup(without)}\nip link add v0 type veth peer name v1 && ip link set v0 master b0 && ip link set v0 type bridge_slave isolated on && perl -e ${quote(transparent)} true`,
    )
    const doors = doorsFile(join(folder, 'outbound'))
    outbound = tried.code === 0 && doors.length <= 100
    if (!outbound) why = tried.code === 0 ? `${doors} is too long a path for a socket` : first(tried.stderr)
  }
  if (!outbound)
    notes.push(
      `Builds share the host's network, and reach what listens on its loopback: a network of their own with a way out is refused (${why}).`,
    )

  const cgroups = await findCgroups()
  const limits = cgroups?.memory !== undefined && cgroups.cpu !== undefined && cgroups.pids !== undefined
  if (!limits)
    notes.push(
      'Limits on memory, processors and processes are not enforced as a whole: this user has no control group of its own.',
    )
  if (rights === 'root')
    notes.push(
      'Runs as root: tasks are root of the host without its capabilities, kept apart by mount, pid, ipc and uts namespaces.',
    )
  else
    notes.push(
      'Set-user-id programs of the host (sudo, su by others than root) have no effect inside, for their owner is not mapped.',
    )
  notes.push('No system call filter is applied.')
  if (addresses) {
    notes.push('Machines reach their VPC and the AWS endpoint; they have no way to the internet and no name server.')
    const lowest = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'))
    if (rights !== 'root' && lowest > 1)
      notes.push(
        `Ports below ${lowest} of public addresses cannot be answered by an ordinary user (net.ipv4.ip_unprivileged_port_start).`,
      )
  }
  return {
    rights,
    overlay,
    network,
    without,
    cgroups,
    capabilities: {
      driver: 'sandbox',
      available: true,
      isolation: 'namespaces',
      images: ['host', 'folder', 'tarball'],
      machines: true,
      addresses,
      peers: network === 'vpc',
      limits,
      privileged: false,
      outbound,
      notes,
      missing: missing
        .filter((one) => one.for !== 'users' || rights !== 'root')
        .map(({ program, adds, install }) => ({ program, adds, install })),
    },
  }
}
