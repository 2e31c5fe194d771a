import type { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { ServedMethod } from './service.js';

/** What `grpc.health.v1.Health` says of a server and each of its services. */
export class Health {
  readonly #services: readonly string[];
  readonly #health: HealthImplementation;
  #isServing = true;

  constructor(server: Server, methods: readonly ServedMethod[]) {
    const services = methods.map(({ path }) => path.split('/')[1] ?? '');
    // The empty name is the server as a whole.
    this.#services = ['', ...new Set(services)];
    this.#health = new HealthImplementation();
    for (const service of this.#services) this.#health.setStatus(service, 'SERVING');
    this.#health.addToServer(server);
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  /** From now on nobody should send calls here. */
  stopServing(): void {
    this.#isServing = false;
    for (const service of this.#services) this.#health.setStatus(service, 'NOT_SERVING');
  }
}
