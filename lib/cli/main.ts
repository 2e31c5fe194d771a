#!/usr/bin/env node
import { Command } from 'commander';
import { version } from './version.js';
import { addRunCommand } from './run-command.js';
import { addShellCommand } from './shell-command.js';

const program = new Command('sandbox-rx')
  .description('Run commands in sandboxes.')
  .version(version)
  .enablePositionalOptions();
addRunCommand(program);
addShellCommand(program);
await program.parseAsync();
