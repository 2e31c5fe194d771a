import { describe, expect, it } from '@jest/globals';
import { posix } from 'node:path';
import ts from 'typescript';
import { filesBelow, read } from '../support/repository.js';

const core = ['lib/process', 'lib/operators'];
const remote = [...core, 'lib/sandbox', 'lib/wire', '@bufbuild/protobuf'];

/** Each layer, and everything that it may import beside itself and RxJS. A file outside of them fails the suite. */
const layers: Readonly<Record<string, readonly string[]>> = {
  'lib/process': [],
  'lib/operators': ['lib/process'],
  'lib/sandbox': core,
  'lib/composition': [...core, 'lib/sandbox'],
  'lib/wire': [...core, 'lib/sandbox', '@bufbuild/protobuf'],
  'lib/backends/memory': [...core, 'lib/sandbox'],
  'lib/backends/local': [...core, 'lib/sandbox', 'node:', '@lydell/node-pty'],
  'lib/backends/rpc/grpc': [...remote, 'lib/backends/rpc', '@grpc/grpc-js', 'node:'],
  'lib/backends/rpc/node': [...remote, 'lib/backends/rpc', 'node:'],
  'lib/backends/rpc/ws': [...remote, 'lib/backends/rpc', 'lib/ws', 'ws', 'node:'],
  'lib/backends/rpc': remote,
  'lib/ws': ['lib/process', 'lib/wire', 'ws', 'node:'],
  'lib/host': [
    ...remote,
    'lib/ws',
    '@grpc/grpc-js',
    '@grpc/reflection',
    'classic-level',
    'grpc-health-check',
    'prom-client',
    'ws',
    'node:',
  ],
  'spec/contract': [...core, 'lib/sandbox', 'lib/index.ts'],
  'lib/cli': [
    'lib/index.ts',
    'lib/node.ts',
    'lib/host.ts',
    ...core,
    'lib/sandbox',
    'lib/backends',
    'node:',
    'commander',
    'pino',
    'picocolors',
  ],
  'lib/index.ts': [...core, 'lib/sandbox', 'lib/composition', 'lib/backends/rpc'],
  'lib/node.ts': ['lib/backends/local', 'lib/backends/rpc'],
  'lib/host.ts': ['lib/host'],
  'lib/testing.ts': ['lib/backends/memory', 'spec/contract'],
};

function isIn(path: string, layer: string): boolean {
  return path === layer || path.startsWith(layer.endsWith(':') ? layer : `${layer}/`);
}

function layerOf(path: string): string | undefined {
  return Object.keys(layers).find((layer) => isIn(path, layer));
}

/** Where an import leads: a path in the repository, or the name of a package. */
function target(path: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts');
}

/** What a file imports, types and dynamic imports too, against the table. */
function violations(path: string, source: string): string[] {
  const layer = layerOf(path);
  if (layer === undefined) return [`${path} is in no known layer`];
  const allowed = [layer, 'rxjs', ...(layers[layer] ?? [])];
  return ts
    .preProcessFile(source, true, true)
    .importedFiles.map(({ fileName }) => target(path, fileName))
    .filter(
      (imported) => imported === 'rxjs/testing' || !allowed.some((one) => isIn(imported, one)),
    )
    .map((imported) => `${path} imports ${imported}`);
}

const sources = [...filesBelow('lib'), ...filesBelow('spec/contract')].filter(
  (path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'),
);

describe('import boundaries', () => {
  it('has a layer for every file', () => {
    expect(sources.filter((path) => layerOf(path) === undefined)).toEqual([]);
  });

  it.each(Object.keys(layers))('%s imports nothing but what lies below it', (layer) => {
    const found = sources.filter((path) => layerOf(path) === layer);
    expect(found.flatMap((path) => violations(path, read(path)))).toEqual([]);
  });

  it.each([
    ['lib/process/a.ts', "import '../operators/lines.js';"],
    ['lib/sandbox/a.ts', "import type { X } from '../backends/memory/x.js';"],
    ['lib/backends/memory/a.ts', "export { x } from '../local/x.js';"],
    ['lib/backends/memory/a.ts', "import { readFile } from 'node:fs/promises';"],
    ['lib/backends/local/a.ts', "await import('ws');"],
    ['lib/operators/a.ts', "import { TestScheduler } from 'rxjs/testing';"],
    ['lib/process/a.ts', "import { a } from '../process-like/a.js';"],
    ['lib/unheard-of/a.ts', ''],
  ])('refuses, in %s: %s', (path, source) => {
    expect(violations(path, source)).toHaveLength(1);
  });
});
