import type { WindowSize } from '../../process/process-controls.js';
import type { ExecRequest } from '../../sandbox/backend.js';
import { needTool } from './tools.js';

/** What the launch script tells on fd 3 when it hands over to the command. */
export const handedOver = '+';

/**
 * Runs in `sh` right before the command: enters its directory, puts back the variables that must not reach the tools
 * before it, and looks the program up, so that a failure to start is told on fd 3 and never mistaken for an exit status.
 * Last it tells there that it came this far, which tools before it that fail do not.
 *
 * Of a script it looks up the interpreter too, in the first line. `read` asks the system for each byte, and a binary may have
 * thousands before its first line end: programs of the system itself, which are most that are run, are taken to be whole.
 *
 * Arguments: home, cwd, whether to join stderr to stdout (`join`), names of the variables, limits for `ulimit`, how many
 * assignments follow for `env`, these, then the command. The option of `ulimit` for processes is `-u` in some shells and
 * `-p` in others.
 *
 * @see {@link https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_09_01_04 | POSIX, Command Search}
 */
const launchScript: string = `
fail() { printf %s "$1" >&3; exit 126; }
cd "$1" 2>/dev/null && cd "$2" 2>/dev/null || fail bad_cwd
unset OLDPWD
rx_join=$3
rx_names=$4
for rx_limit in $5; do
  rx_value=\${rx_limit#*=}
  case $rx_limit in
  u=*) ulimit -u "$rx_value" 2>/dev/null || ulimit -p "$rx_value" 2>/dev/null || fail "limit $rx_limit" ;;
  *) ulimit "-\${rx_limit%%=*}" "$rx_value" 2>/dev/null || fail "limit $rx_limit" ;;
  esac
done
rx_assignments=$6
shift 6
eval "rx_command=\\\${$((rx_assignments + 1))}"
set -f
rx_reason=not_found
runnable() {
  [ -e "$1" ] || return 1
  if [ -f "$1" ] && [ -x "$1" ]; then interpretable "$1"; return; fi
  rx_reason=not_executable
  return 1
}
interpretable() {
  case $1 in /usr/bin/* | /usr/sbin/* | /bin/* | /sbin/*) return 0 ;; esac
  rx_line=
  { IFS= read -r rx_line <"$1"; } 2>/dev/null
  case $rx_line in '#!'*) ;; *) return 0 ;; esac
  rx_line=\${rx_line#??}
  rx_line=\${rx_line#"\${rx_line%%[! \t]*}"}
  rx_line=\${rx_line%%[ \t]*}
  [ -z "$rx_line" ] && return 0
  [ -f "$rx_line" ] && [ -x "$rx_line" ] && return 0
  [ -e "$rx_line" ] && rx_reason=not_executable
  return 1
}
case $rx_command in
*/*) runnable "$rx_command" || fail "$rx_reason" ;;
*)
  rx_found=
  IFS=:
  for rx_dir in $PATH; do
    if runnable "\${rx_dir:-.}/$rx_command"; then rx_found=1; break; fi
  done
  unset IFS
  [ "$rx_found" ] || fail "$rx_reason"
  ;;
esac
for rx_name in $rx_names; do
  eval "$rx_name=\\$SANDBOX_RX_VAR_$rx_name; export $rx_name; unset SANDBOX_RX_VAR_$rx_name"
done
if [ "$rx_assignments" != 0 ]; then set -- env "$@"; fi
printf ${handedOver} >&3
if [ "$rx_join" = join ]; then exec "$@" 2>&1 3>&-; else exec "$@" 3>&-; fi
`;

/** The arguments of `sh` that make it run a command by the script. */
export function launchArguments(launch: LaunchArguments): readonly string[] {
  const { home, cwd, join, guarded, limits, command } = launch;
  const { variables } = guarded;
  const assignments = assignmentsBefore(command, guarded);
  return [
    ...['-c', launchScript, 'sh'],
    home,
    cwd,
    join ? 'join' : '',
    variables.join(' '),
    limits,
    String(assignments.length),
    ...assignments,
    ...command,
  ];
}

/** `env` would take a program whose name holds a `=` for one more assignment; what `nice` runs is a program. */
function assignmentsBefore(
  [program = '']: readonly string[],
  { assignments }: GuardedEnv,
): readonly string[] {
  const isMistaken = assignments.length > 0 && program.includes('=');
  return isMistaken ? [...assignments, 'nice', '-n', '0'] : assignments;
}

/** What the script is told. */
interface LaunchArguments {
  readonly home: string;
  readonly cwd: string;
  readonly join: boolean;
  readonly guarded: GuardedEnv;
  readonly limits: string;
  readonly command: readonly string[];
}

/** The words that give a command its terminal as the controlling one; it is on its standard streams already. */
export function terminalArguments(tty: WindowSize | undefined): readonly string[] {
  return tty === undefined ? [] : [needTool('setsid', 'util-linux'), '--ctty'];
}

/** What a program on a terminal expects to find. */
export function terminalEnv({ tty }: ExecRequest): Readonly<Record<string, string>> {
  return tty === undefined ? {} : { TERM: 'xterm-256color' };
}

/** Variables that change how any dynamically linked program or shell works, and so must not reach the ones in between. */
const guardedVariables =
  /^(LD_\w+|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|MALLOC_\w+|BASH_ENV|ENV|CDPATH|IFS|OPTIND|OLDPWD)$/;

/** What a shell can have a variable of, and would leave alone; some forget all others. */
const shellName = /^(?!PPID$|rx_)[A-Za-z_]\w*$/;

/** An environment for the tools before the command, and what the script has to put back. */
export interface GuardedEnv {
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables that are under other names in `env`. */
  readonly variables: readonly string[];
  /** Variables that do not come through a shell, as `env(1)` takes them. */
  readonly assignments: readonly string[];
}

/** Splits a command's environment into what the tools before it may see and what the script has to put back. */
export function guardedEnv(wanted: Readonly<Record<string, string>>): GuardedEnv {
  const env: Record<string, string> = {};
  const variables: string[] = [];
  const assignments: string[] = [];
  for (const [name, value] of Object.entries(wanted)) {
    if (!shellName.test(name)) {
      assignments.push(`${name}=${value}`);
    } else if (guardedVariables.test(name)) {
      variables.push(name);
      env[`SANDBOX_RX_VAR_${name}`] = value;
    } else {
      env[name] = value;
    }
  }
  return { env, variables, assignments };
}
