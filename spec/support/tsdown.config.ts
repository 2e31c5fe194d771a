import { defineConfig, type UserConfig } from 'tsdown';

const config: UserConfig = defineConfig({
  cwd: new URL('../..', import.meta.url).pathname,
  entry: {
    index: 'lib/index.ts',
    node: 'lib/node.ts',
    testing: 'lib/testing.ts',
    cli: 'lib/cli/main.ts',
    demo: 'spec/examples/demo.ts',
  },
  format: ['esm', 'cjs'],
  dts: true,
  platform: 'neutral',
  target: 'es2022',
  outDir: 'dist',
  clean: true,
});

export default config;
