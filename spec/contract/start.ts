import { failureOf, type ContractSuite } from './kit.js';

/** Where and with what a command starts, and why it does not. */
export function startContract({ describe, it, expect }: ContractSuite): void {
  describe('starting', () => {
    it('gives a run its variables, over those of the sandbox', async (kit) => {
      const sandbox = await kit.open({ env: { GREETING: 'of the sandbox' } });
      const own = sandbox.exec(kit.commands.greeting, { env: { GREETING: 'äö 1 "2" $3' } });
      expect((await sandbox.exec(kit.commands.greeting)).stdout).toEqual('of the sandbox\n');
      expect((await own).stdout).toEqual('äö 1 "2" $3\n');
    });

    it('starts in the directory that was asked for, over that of the sandbox', async (kit) => {
      const sandbox = await kit.open({ cwd: '/tmp' });
      const own = sandbox.exec(kit.commands.pwd, { cwd: '/usr' });
      expect((await sandbox.exec(kit.commands.pwd)).stdout).toEqual('/tmp\n');
      expect((await own).stdout).toEqual('/usr\n');
    });

    it('takes a relative directory from that of the sandbox on', async (kit) => {
      const sandbox = await kit.open({ cwd: '/usr' });
      const process = sandbox.exec(kit.commands.pwd, { cwd: 'bin' });
      expect((await process).stdout).toEqual('/usr/bin\n');
    });

    it('says that a command was not found', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.absent);
      const error = await failureOf(process.result());
      expect(error).toMatchObject({ code: 'ERR_NOT_STARTED', reason: 'not_found' });
      expect((await failureOf(process.wait())) === error).toEqual(true);
      expect(process.state).toEqual('failed');
      await process.closed;
    });

    it('says that a file cannot be executed', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.notExecutable);
      expect(await failureOf(process.result())).toMatchObject({ reason: 'not_executable' });
      await process.closed;
    });

    it('says that a directory does not exist', async (kit) => {
      const process = (await kit.open()).exec(kit.commands.pwd, { cwd: '/absent' });
      expect(await failureOf(process.result())).toMatchObject({ reason: 'bad_cwd' });
      await process.closed;
    });

    it('names the sandbox and the run in an error', async (kit) => {
      const sandbox = await kit.open();
      const process = sandbox.exec(kit.commands.absent);
      expect(await failureOf(process.result())).toMatchObject({
        sandboxId: sandbox.id,
        runId: process.id,
      });
    });
  });
}
