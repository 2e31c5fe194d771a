#!/usr/bin/env node
import { Command } from 'commander';
import { ownFailure } from './exit-status.js';
import { version } from './version.js';
import { addRunCommand } from './run-command.js';
import { addShellCommand } from './shell-command.js';

const program = new Command('sandbox-rx')
  .description('Run commands in sandboxes.')
  .version(version)
  .enablePositionalOptions()
  // Its own failures are told apart from a command's.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : ownFailure));
addRunCommand(program);
addShellCommand(program);
await program.parseAsync();
