#!/usr/bin/env node
import { Command } from 'commander';
import { addConnectionOptions } from './connection.js';
import { addCopyCommand } from './copy-command.js';
import { addCreateCommand } from './create-command.js';
import { addDeleteCommand, addStopCommand } from './end-commands.js';
import { addExecCommand } from './exec-command.js';
import { ownFailure } from './exit-status.js';
import { addGetCommand } from './get-command.js';
import { addListCommand } from './list-command.js';
import { addLogsCommand } from './logs-command.js';
import { addRunCommand } from './run-command.js';
import { addServeCommand } from './serve-command.js';
import { addShellCommand } from './shell-command.js';
import { addSnapshotCommand } from './snapshot-command.js';
import { addTokenCommand } from './token-command.js';
import { version } from './version.js';

// Of grpc-js, say, which asks for an address as a TLS name: who only uses this program can do nothing about it.
process.noDeprecation = true;

const help = `
The token for a server is read from CWSANDBOX_API_KEY. Without a server, run and shell make sandboxes of their own here;
the other commands are about sandboxes that stay, and so need one: CoreWeave Sandbox, or a host by 'sandbox-rx serve'.
'sandbox-rx help COMMAND' says what the exit status of each is.`;

const program = addConnectionOptions(new Command('sandbox-rx'))
  .description('Run commands in sandboxes: of this program itself, of a host, or of CoreWeave.')
  .version(version)
  .enablePositionalOptions()
  .addHelpText('after', help)
  // Its own failures are told apart from a command's.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : ownFailure));
addRunCommand(program);
addShellCommand(program);
addCreateCommand(program);
addExecCommand(program);
addListCommand(program);
addGetCommand(program);
addLogsCommand(program);
addCopyCommand(program);
addStopCommand(program);
addDeleteCommand(program);
addSnapshotCommand(program);
addTokenCommand(program);
addServeCommand(program);
await program.parseAsync();
