import { firstValueFrom } from 'rxjs';
import { eventually, type ContractSuite } from './kit.js';

/** Ports of sandboxes that are reached from outside. */
export function servicesContract({ describe, needs, expect }: ContractSuite): void {
  describe('services', () => {
    needs('services', 'are reached where the sandbox says, as long as it runs', {
      works: async (kit) => {
        const port = somePort();
        const sandbox = await kit.open({ services: [{ port, name: 'web' }] });
        const { services = [] } = await sandbox.status();
        const url = services[0]?.url ?? '';
        expect(services).toEqual([{ port, name: 'web', url }]);
        expect((await kit.client.list())[0]?.services).toEqual(services);
        const serving = sandbox.exec(kit.commands.serve, { env: { PORT: String(port) } });
        await firstValueFrom(serving.stdout$);
        expect(await (await fetch(url, { signal: AbortSignal.timeout(30_000) })).text()).toEqual(
          'served\n',
        );
        expect((await sandbox.stop()).services).toEqual(undefined);
        await serving.closed;
        await eventually('nobody answers', () => fetch(url).then(isFalse, isTrue));
      },
      refused: (kit) => kit.open({ services: [{ port: somePort() }] }),
    });

    needs('services', 'are told of in the order in which they are asked for', {
      works: async (kit) => {
        const port = somePort();
        const services = [{ port: port + 1 }, { port, name: 'web' }];
        const { services: told = [] } = await (await kit.open({ services })).status();
        expect(
          told.map(({ port, name }) => ({ port, ...(name !== undefined && { name }) })),
        ).toEqual(services);
        expect(new Set(told.map(({ url }) => url)).size).toEqual(2);
      },
      refused: (kit) => kit.open({ services: [{ port: somePort() }] }),
    });
  });
}

/** Without isolation, a sandbox's ports are the machine's: one that nobody else is likely to have. */
function somePort(): number {
  return 20_000 + 2 * Math.floor(Math.random() * 6000);
}

function isTrue(): boolean {
  return true;
}

function isFalse(): boolean {
  return false;
}
