import { handedOver } from './launch-script.js';
import { childrenOf, holdSpace, type HeldSpace } from './process-tree.js';

/** Characters that the launch script may tell: what runs in the sandbox could write there for ever. */
const longest = 64;

/** What the launch script of a run tells, and the space in which it hands over to the command. */
export class LaunchReport {
  /** What was told: {@link handedOver}, or why the command did not start. */
  said = '';
  readonly #helper: () => number | undefined;
  #space: HeldSpace | undefined;

  /** `helper` gives the process that waits for the command in the sandbox, where there is one. */
  constructor(helper: () => number | undefined) {
    this.#helper = helper;
  }

  hear(text: Buffer): void {
    this.said = (this.said + text.toString('latin1')).slice(0, longest);
    this.#holdSpace();
  }

  get isHandedOver(): boolean {
    return this.said === handedOver;
  }

  /**
   * The cgroup namespace that the run's processes are in, and no others. Whoever ends the run may do so before what was
   * told has been heard, so it is looked for here too.
   */
  get space(): string | undefined {
    return this.#holdSpace()?.name;
  }

  release(): void {
    this.#space?.release();
  }

  #holdSpace(): HeldSpace | undefined {
    if (this.#space !== undefined) return this.#space;
    const helper = this.#helper();
    const command = helper === undefined ? undefined : childrenOf(helper)[0];
    if (command !== undefined) this.#space = holdSpace(command);
    return this.#space;
  }
}
