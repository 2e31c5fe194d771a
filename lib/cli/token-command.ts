import type { Command } from 'commander';
import { startOperation } from '../process/operation-ref.js';
import { answer } from './answer.js';
import { addConnectionOptions, connectionOf } from './connection.js';
import { answerStatusHelp } from './exit-status.js';
import { duration } from './option-values.js';
import { printJson, write } from './output.js';

interface TokenOptions {
  readonly readOnly?: boolean;
  readonly sandbox?: string;
  /** Milliseconds. */
  readonly ttl?: number;
  readonly json?: boolean;
}

/** `sandbox-rx token`: a token to give away. */
export function addTokenCommand(program: Command): void {
  addConnectionOptions(program.command('token'))
    .description('have a host make a token that is good for a while, and print it')
    .option('--read-only', 'its bearer may look, and change nothing')
    .option('--sandbox <id>', 'its bearer reaches this sandbox alone (default: all that you reach)')
    .option('--ttl <duration>', 'how long it is good for (default: as the host has it)', duration)
    .option('--json', 'print a JSON object with its name and when it expires')
    .addHelpText('after', `\n${help}`)
    .addHelpText('after', answerStatusHelp)
    .action(({ json, ...options }: TokenOptions, command: Command) =>
      answer(connectionOf(command), async (_, { tokens }) => {
        const { readOnly = false, sandbox, ttl } = options;
        const made = await startOperation(
          tokens.create({
            readOnly,
            ...(sandbox !== undefined && { sandboxId: sandbox }),
            ...(ttl !== undefined && { ttlMs: ttl }),
          }),
        );
        await (json ? printJson(made) : write(process.stdout, `${made.token}\n`));
        return 0;
      }),
    );
}

const help = `It counts as the token that you have, never as that of an admin, and makes no others. Servers other than
'sandbox-rx serve' have no such tokens.

Example: CWSANDBOX_API_KEY=$(sandbox-rx token --read-only --sandbox build-7 --ttl 10m) sandbox-rx logs build-7`;
