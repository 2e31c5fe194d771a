// @ts-check
// npm run proto: makes lib/wire/generated of proto/, offline; with an argument, below that directory.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const [output = root] = process.argv.slice(2);

/** @param {string[]} words */
function buf(...words) {
  return execFileSync(join(root, 'node_modules/.bin/buf'), words, {
    cwd: root,
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

buf('generate', '--clean', '--template', 'proto/buf.gen.yaml', '--output', output);
// What only the options of the schema are described with; no message needs it.
for (const unused of ['google/api', 'google/protobuf/descriptor.ts']) {
  rmSync(join(output, 'lib/wire/generated', unused), { recursive: true, force: true });
}
// What server reflection tells: a FileDescriptorSet, as text so that it is bundled like any code.
const set = ['--as-file-descriptor-set', '--exclude-source-info', '--output', '-#format=binpb'];
const descriptors = buf('build', 'proto', ...set).toString('base64');
writeFileSync(
  join(output, 'lib/wire/generated/descriptors.ts'),
  `/** All files of proto/, as a google.protobuf.FileDescriptorSet in base64. */\nexport const descriptors: string =\n  '${descriptors}';\n`,
);
