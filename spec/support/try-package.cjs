// Tries the installed package as a stranger would, in CommonJS: `node try-package.cjs` beside its node_modules.
// try-package.mjs gives the same function what ESM imports.
const assert = require('node:assert/strict');
const { lastValueFrom, map, toArray } = require('rxjs');

module.exports = async function tryPackage({ core, node, host: hosts, testing }) {
  const { lines, SandboxClient, SandboxError, stdout } = core;
  const { exit, memoryBackend, out } = testing;

  const memory = memoryBackend({ programs: { greet: [out('héllo\nwörld\n'), exit(3)] } });
  const scripted = await new SandboxClient(memory).create();
  const { returncode, stdout: said } = await scripted.exec(['greet']);
  assert.deepEqual([returncode, said], [3, 'héllo\nwörld\n']);
  assert.equal(memory.runs[0]?.state, 'exited');

  const local = new SandboxClient(node.localBackend({ isolation: 'none' }));
  const sandbox$ = local.withSandbox({}, (sandbox) =>
    sandbox.exec$(['sh', '-c', 'printf "one\\ntwo"; exit 7']).pipe(stdout(), lines()),
  );
  assert.deepEqual(await lastValueFrom(sandbox$.pipe(toArray())), ['one', 'two']);
  const ran$ = local.withSandbox({}, (sandbox) =>
    sandbox.run$(['sh', '-c', 'cat; exit 7'], { stdin: 'in' }),
  );
  const ran = ran$.pipe(map((result) => [result.returncode, result.stdout]));
  assert.deepEqual(await lastValueFrom(ran), [7, 'in']);

  const sandbox = await local.create();
  await assert.rejects(sandbox.exec(['no-such-program']).wait(), (error) => {
    return error instanceof SandboxError && error.code === 'ERR_NOT_STARTED';
  });
  await sandbox.delete();

  const host = new hosts.Host(node.localBackend({ isolation: 'none' }));
  const backend = node.grpcBackend({ url: await host.listen() });
  const distant = await new SandboxClient(backend).create();
  assert.equal((await distant.exec(['echo', 'far'])).stdout, 'far\n');
  backend.close();
  await host.close();
};

if (require.main === module) {
  const core = require('sandbox-rx');
  const modules = {
    core,
    node: require('sandbox-rx/node'),
    host: require('sandbox-rx/host'),
    testing: require('sandbox-rx/testing'),
  };
  module
    .exports(modules)
    .then(() => console.log(`CommonJS on Node ${process.versions.node}: it works`));
}
