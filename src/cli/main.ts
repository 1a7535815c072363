import { Command, CommanderError, Option } from 'commander'
import { ConfigError } from '../config.ts'
import { version } from '../package.ts'
import { CliError } from './connection.ts'

/** Where a running server is found, for every command but `up` and `demo`. */
const endpointOption = () =>
  new Option('--endpoint <url>', 'the server to talk to')
    .env('DRYDOCK_ENDPOINT')
    .default(undefined, 'http://127.0.0.1:4566')

/** Runs the command line. Sets the exit code: 2 for a wrong command line or configuration, 1 for what went wrong. */
export const run = async (args: readonly string[]): Promise<void> => {
  try {
    await program().parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2
      return
    }
    console.error(`drydock: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = error instanceof ConfigError ? 2 : 1
    if (!(error instanceof CliError || error instanceof ConfigError) && process.env.DRYDOCK_LOG_LEVEL === 'debug')
      console.error(error)
  }
}

const program = (): Command => {
  const drydock = new Command('drydock')
    .description('The AWS DevOps toolchain, running for real on your own machine')
    .version(version)
    .exitOverride()
    // `clock advance 1h --endpoint …`: the option belongs to `advance`, not to `clock`, which has it too.
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(`drydock: ${text.replace(/^error: /, '')}`) })
  const command = (name: string, description: string) => drydock.command(name).description(description).exitOverride()

  command('up', 'serve until stopped')
    .option('--port <number>', 'one port for everything; 0 picks a free one (default 4566)')
    .option('--ssh-port <number>', 'serve git over SSH too, at this port; 0 picks a free one (default: no SSH)')
    .option('--host <address>', 'address to listen on (default 127.0.0.1)')
    .option('--public-url <url>', 'by which others reach this server; Git providers are told of webhooks with it')
    .option('--data <folder>', 'where state lives (default .drydock)')
    .option('--ephemeral', 'state in a temporary folder, removed at exit')
    .option('--account <id>', 'the default account (default 000000000000)')
    .option('--region <name>', 'where a request names none (default us-east-1)')
    .option('--auth <mode>', 'enforce or trust (default enforce)')
    .option('--compute <driver>', 'auto, sandbox, docker, process or fake (default auto)')
    .option('--privileged', 'let privileged builds use the container engine: as good as root of this host')
    .option('--json', 'log lines as JSON')
    .option('--log-level <level>', 'debug, info, warn, error or silent (default info)')
    .action(async (options) => (await import('./up.ts')).up(options))
  command('demo', 'the sample pipeline, from git push to deployment, on an embedded server')
    .option('--keep', 'leave the server running and print what to try')
    .action(async (options) => (await import('./demo.ts')).demo(options))
  command('env', 'print the export lines that point AWS clients of this shell at the server')
    .addOption(endpointOption())
    .option('--account <id>', 'as the root user of this account instead of the default one')
    .action(async (options) => (await import('./env.ts')).env(options))
  command('status', 'what the server and this host can do')
    .addOption(endpointOption())
    .option('--json', 'as JSON')
    .action(async (options) => (await import('./status.ts')).status(options))
  command('coverage', 'which operations are real, partial or absent')
    .argument('[service]', 'one service, operation by operation')
    .addOption(endpointOption())
    .option('--json', 'as JSON')
    .action(async (service, options) => (await import('./coverage.ts')).coverage(service, options))
  command('logs', 'follow a CloudWatch Logs group')
    .argument('<group>', 'log group name')
    .addOption(endpointOption())
    .option('--follow', 'go on as new events arrive')
    .action(async (group, options) => (await import('./logs.ts')).logs(group, options))
  command('why', 'which statement or missing permission denied a request')
    .argument('<request-id>', 'as the error, the log or CloudTrail shows it')
    .addOption(endpointOption())
    .option('--json', 'as JSON')
    .action(async (requestId, options) => (await import('./why.ts')).why(requestId, options))
  const connection = command('connection', 'complete what CodeConnections makes PENDING')
  connection
    .command('complete')
    .description('give a connection a token of its provider, where AWS has a login in the console')
    .argument('<arn>', 'the connection')
    .requiredOption('--token-file <file>', 'holds the token; - reads it from standard input')
    .option('--user <name>', 'whose password the token is, where the provider asks for one')
    .option('--url <base>', 'where the provider is, if not at its own address')
    .addOption(endpointOption())
    .exitOverride()
    .action(async (arn, options) => (await import('./provider-connection.ts')).complete(arn, options))
  connection
    .command('host')
    .description('set up the host of a provider that is installed somewhere, once it answers')
    .argument('<arn>', 'the host')
    .addOption(endpointOption())
    .exitOverride()
    .action(async (arn, options) => (await import('./provider-connection.ts')).setUpHost(arn, options))
  command('reset', 'end what runs and empty the state of every account')
    .addOption(endpointOption())
    .action(async (options) => (await import('./reset.ts')).reset(options))
  const clock = command('clock', 'the clock that answers, schedules and expiry go by').addOption(endpointOption())
  clock.action(async (options) => (await import('./clock.ts')).show(options))
  clock
    .command('advance')
    .description('move the clock forward, e.g. by 31d, 12h, 90m or 30s')
    .argument('<duration>')
    .addOption(endpointOption())
    .exitOverride()
    .action(async (duration, options) => (await import('./clock.ts')).advance(duration, options))
  const snapshot = command('snapshot', 'keep the whole state under a name, or go back to it')
  for (const action of ['save', 'restore'] as const)
    snapshot
      .command(action)
      .argument('<name>')
      .addOption(endpointOption())
      .exitOverride()
      .action(async (name, options) => (await import('./snapshot.ts')).snapshot(action, name, options))
  return drydock
}
