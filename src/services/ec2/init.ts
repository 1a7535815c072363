import type { MachineAgent } from '../capabilities.ts'

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** Runs an agent for as long as the machine does; what it says is kept, that it ended is said on the console. */
const supervised = ({ name, command, env }: MachineAgent): string => {
  const settings = Object.entries(env).map(([key, value]) => quote(`${key}=${value}`))
  return `(
  while [ ! -e /run/drydock-stopping ]; do
    env ${settings.join(' ')} ${command.map(quote).join(' ')} >>/var/log/drydock/${name}.log 2>&1 </dev/null
    status=$?
    [ -e /run/drydock-stopping ] || echo "drydock: ${name} ended with status $status and is started again"
    sleep 1
  done
) &`
}

/**
 * The machine's first program: keys and a user for them, user data at the first boot only ("Run commands when you launch
 * an EC2 instance with user data input"), the agents, and then nothing but waiting. TERM ends everything that runs and
 * then itself; HUP does so and boots again. POSIX sh and the smallest set of programs, for it must run on any image;
 * whatever an image lacks is left out, the rest goes on.
 */
export const initProgram = (agents: readonly MachineAgent[]): string => `#!/bin/sh
read -r name </proc/sys/kernel/hostname
echo "drydock: $name is starting"
mkdir -p /var/lib/cloud /var/log/drydock /run /root
echo $$ >/run/drydock-init.pid
rm -f /run/drydock-stopping
again=

# Everyone is asked, and has eight seconds.
finish() {
  trap '' TERM INT HUP
  echo "drydock: stopping"
  : >/run/drydock-stopping
  kill -TERM -1 2>/dev/null
  n=0
  while [ $n -lt 80 ] && kill -0 -1 2>/dev/null; do
    n=$((n + 1))
    # What this shell has just forked may have had the signal while it was still a shell with this trap, and lost it.
    kill -TERM $! 2>/dev/null
    sleep 0.1 2>/dev/null || { sleep 1; n=$((n + 9)); }
  done
  [ -z "$again" ] || kill -KILL -1 2>/dev/null
}
trap 'finish; exit 0' TERM INT
trap 'again=1; finish; trap - TERM INT HUP; exec /bin/sh /opt/drydock/init' HUP

{
  echo "AWS_ENDPOINT_URL=\\"$AWS_ENDPOINT_URL\\""
  echo "AWS_REGION=\\"$AWS_REGION\\""
  echo "AWS_DEFAULT_REGION=\\"$AWS_DEFAULT_REGION\\""
  echo "PATH=\\"$PATH\\""
} >/etc/environment
[ ! -d /etc/profile.d ] || {
  echo "export AWS_ENDPOINT_URL='$AWS_ENDPOINT_URL' AWS_REGION='$AWS_REGION' AWS_DEFAULT_REGION='$AWS_DEFAULT_REGION'"
  echo 'PATH="$PATH:/opt/drydock/node"'
} >/etc/profile.d/drydock.sh

if [ ! -e /var/lib/cloud/first-boot.done ]; then
  : >/var/lib/cloud/first-boot.done
  # The login user of Amazon Linux, by hand: an image may have no useradd, and it would be slow.
  uid=1000 known=
  while IFS=: read -r user _ id _; do
    [ "$user" != ec2-user ] || known=1
    [ "$id" -lt $uid ] || [ "$id" -ge 60000 ] || uid=$((id + 1))
  done </etc/passwd
  if [ -z "$known" ]; then
    shell=/bin/bash
    [ -x $shell ] || shell=/bin/sh
    echo "ec2-user:*:$uid:$uid:EC2 Default User:/home/ec2-user:$shell" >>/etc/passwd
    echo "ec2-user:x:$uid:" >>/etc/group
    mkdir -p -m 700 /home/ec2-user
    chown "$uid:$uid" /home/ec2-user
    [ ! -d /etc/sudoers.d ] || {
      echo 'ec2-user ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/90-cloud-init-users
      chmod 440 /etc/sudoers.d/90-cloud-init-users
    }
  fi
  # No systemd answers in here; the words by which a machine is ended or restarted from inside still mean that.
  for word in shutdown poweroff halt reboot; do
    { echo '#!/bin/sh'
      case $word in
        shutdown) echo 'signal=TERM; for word; do case $word in -r|-*r*) signal=HUP;; esac; done' ;;
        reboot) echo 'signal=HUP' ;;
        *) echo 'signal=TERM' ;;
      esac
      echo 'kill -$signal "$(cat /run/drydock-init.pid)"'
    } >/usr/local/sbin/$word
  done
  chmod 755 /usr/local/sbin/shutdown /usr/local/sbin/poweroff /usr/local/sbin/halt /usr/local/sbin/reboot
fi 2>/dev/null

authorize() {
  mkdir -p "$1/.ssh" && chmod 700 "$1/.ssh" && cp /opt/drydock/authorized_keys "$1/.ssh/authorized_keys" &&
    chmod 600 "$1/.ssh/authorized_keys"
}
if [ -f /opt/drydock/authorized_keys ]; then
  authorize /root
  [ ! -d /home/ec2-user ] || { authorize /home/ec2-user && chown -R ec2-user: /home/ec2-user/.ssh 2>/dev/null; }
fi

refused() {
  echo "drydock: user data is not run: $1" | tee -a /var/log/cloud-init-output.log
}
if [ -f /opt/drydock/user-data ] && [ ! -e /var/lib/cloud/user-data.done ]; then
  : >/var/lib/cloud/user-data.done
  read -r first </opt/drydock/user-data || :
  case $first in
    '#!'*)
      ( cd / && /opt/drydock/user-data; echo "drydock: user data ended with status $?" ) 2>&1 </dev/null |
        tee -a /var/log/cloud-init-output.log &
      ;;
    '#cloud-config'*) refused 'there is no cloud-init here to carry out #cloud-config; a script that begins with #! is run' ;;
    Content-Type:*|MIME-Version:*) refused 'it is a MIME archive; a script that begins with #! is run' ;;
    *) refused 'it does not begin with #!' ;;
  esac
fi

${agents.map(supervised).join('\n')}

echo "drydock: up"
while :; do
  sleep 3600 &
  wait $!
done
`
