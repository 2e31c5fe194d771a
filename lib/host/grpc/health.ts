import type { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';

/** What `grpc.health.v1.Health` says of a server and each of its services. */
export class Health {
  readonly #services: readonly string[];
  readonly #health: HealthImplementation;
  #isServing = true;

  constructor(server: Server, services: readonly string[]) {
    // The empty name is the server as a whole.
    this.#services = ['', ...services];
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
