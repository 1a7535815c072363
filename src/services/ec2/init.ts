import type { MachineAgent } from '../capabilities.ts'

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** Runs an agent for as long as the machine does. */
const supervised = ({ name, command, env }: MachineAgent): string => {
  const settings = Object.entries(env).map(([key, value]) => `${key}=${quote(value)}`)
  return `mkdir -p /var/log/drydock
( while :; do env ${settings.join(' ')} ${command.map(quote).join(' ')} >>/var/log/drydock/${name}.log 2>&1 </dev/null; sleep 1; done ) &`
}

/**
 * The machine's first process: keys, user data at the first boot only ("Run commands when you launch an EC2 instance with
 * user data input"), the agents, and then nothing but waiting, which reaps whatever is orphaned. POSIX sh, for it must
 * run on any image.
 */
export const initProgram = (agents: readonly MachineAgent[]): string => `#!/bin/sh
echo "drydock: $(hostname 2>/dev/null || cat /proc/sys/kernel/hostname) is starting"
mkdir -p /var/lib/cloud /var/log /run /root
cat >/etc/environment <<END
AWS_ENDPOINT_URL="$AWS_ENDPOINT_URL"
AWS_REGION="$AWS_REGION"
AWS_DEFAULT_REGION="$AWS_DEFAULT_REGION"
PATH="$PATH"
END

if [ -f /opt/drydock/authorized_keys ]; then
  mkdir -p /root/.ssh && chmod 700 /root/.ssh
  cp /opt/drydock/authorized_keys /root/.ssh/authorized_keys && chmod 600 /root/.ssh/authorized_keys
fi

${agents.map(supervised).join('\n')}

if [ -f /opt/drydock/user-data ] && [ ! -e /var/lib/cloud/user-data.done ]; then
  : >/var/lib/cloud/user-data.done
  case $(head -c 2 /opt/drydock/user-data) in
    '#!')
      ( cd / && /opt/drydock/user-data; echo "drydock: user data ended with status $?" ) 2>&1 </dev/null | tee -a /var/log/cloud-init-output.log &
      ;;
    *)
      echo "drydock: user data that is no script (#!) is not run" | tee -a /var/log/cloud-init-output.log
      ;;
  esac
fi

echo "drydock: up"
trap 'echo "drydock: stopping"; trap "" TERM; kill -TERM -1 2>/dev/null; sleep 0.2; exit 0' TERM INT
while :; do
  sleep 3600 &
  wait $!
done
`
