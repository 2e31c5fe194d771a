// @ts-check
// npm run proto: makes lib/wire/generated of proto/, offline; with an argument, below that directory.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const [output = root] = process.argv.slice(2);

execFileSync(
  join(root, 'node_modules/.bin/buf'),
  ['generate', '--clean', '--template', 'proto/buf.gen.yaml', '--output', output],
  {
    cwd: root,
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}` },
    stdio: 'inherit',
  },
);
// What only the options of the schema are described with; no message needs it.
for (const unused of ['google/api', 'google/protobuf/descriptor.ts']) {
  rmSync(join(output, 'lib/wire/generated', unused), { recursive: true, force: true });
}
