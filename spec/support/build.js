// Makes dist/. By tsdown's API, whose command greets each user of Node 20 with a warning; in JavaScript, because
// tsdown's own types want packages that are not installed.
import { fileURLToPath } from 'node:url';
import { build } from 'tsdown';

/** What is imported: ESM and CommonJS, with types for both. */
const library = {
  index: 'lib/index.ts',
  node: 'lib/node.ts',
  host: 'lib/host.ts',
  testing: 'lib/testing.ts',
};

/** What is started: ESM alone, and nobody imports it. */
const programs = {
  cli: 'lib/cli/main.ts',
  demo: 'spec/examples/demo.ts',
};

// What package.json lists as a dependency or peer is left out of the bundles.
await build({
  config: false,
  cwd: fileURLToPath(new URL('../..', import.meta.url)),
  entry: { ...library, ...programs },
  format: { esm: {}, cjs: { entry: library } },
  dts: { entry: Object.values(library) },
  platform: 'node',
  fixedExtension: false,
  target: 'es2022',
  outDir: 'dist',
  clean: true,
  failOnWarn: true,
  logLevel: 'warn',
});
