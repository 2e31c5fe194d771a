import { InvalidArgumentError, Option } from 'commander';
import type { ServicePort } from '../sandbox/sandbox-spec.js';

/** `--publish`: ports of a sandbox to be reached from outside. */
export function publishOption(): Option {
  return new Option(
    '--publish <port[:name]>',
    'let a TCP port of it be reached from outside, where get shows; may be given several times',
  )
    .argParser(addPublished)
    .default([], 'none');
}

function addPublished(text: string, services: readonly ServicePort[]): readonly ServicePort[] {
  const [, port = '', name] = /^(\d{1,5})(?::(.+))?$/.exec(text) ?? [];
  if (port === '') throw new InvalidArgumentError('It is PORT or PORT:NAME.');
  return [...services, { port: Number(port), ...(name !== undefined && { name }) }];
}
