import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { SnapshotState } from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { codeName } from '../calls/call-log.js';
import type { Calls, EndedCall } from '../calls/calls.js';
import type { Sandboxes } from '../sandboxes.js';
import type { SnapshotRecord } from '../snapshots/snapshot-record.js';
import type { Snapshots } from '../snapshots/snapshots.js';
import type { Tunnels } from '../tunnel/tunnels.js';
import type { RunMeter } from './run-meter.js';

/** What metrics are taken of. */
export interface Measured {
  readonly calls: Calls;
  readonly sandboxes: Sandboxes;
  readonly snapshots: Pick<Snapshots, 'all'>;
  readonly runs: RunMeter;
  /** How many connections there are. */
  readonly connections: () => number;
  readonly tunnels: () => Tunnels['counts'];
}

/** Seconds: from a look at a record to a run of an hour. */
const buckets = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300, 3600];

/** How sandboxes stand, in the order in which they pass through it. */
const phases = ['creating', 'running', 'terminating', 'over'] as const;

/** How snapshots stand. */
const snapshotStates = {
  creating: SnapshotState.SNAPSHOT_STATE_CREATING,
  ready: SnapshotState.SNAPSHOT_STATE_READY,
  failed: SnapshotState.SNAPSHOT_STATE_FAILED,
};

/** The metrics of one host, in a registry of their own. What can be read off is read when somebody asks. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #latency: Histogram<'method' | 'code'>;
  readonly #ofTokens: Counter<'token' | 'code'>;
  readonly #made: Counter;

  constructor(measured: Measured) {
    const registers = [this.#registry];
    this.#latency = new Histogram({
      ...{ registers, buckets, labelNames: ['method', 'code'] },
      name: 'sandboxrx_call_duration_seconds',
      help: 'From the beginning of a call to its end, by method and status code.',
    });
    this.#ofTokens = new Counter({
      ...{ registers, labelNames: ['token', 'code'] },
      name: 'sandboxrx_token_calls_total',
      help: 'Calls that are over, by the name of their token.',
    });
    this.#made = new Counter({
      ...{ registers },
      name: 'sandboxrx_sandboxes_created_total',
      help: 'Sandboxes that were asked for and begun.',
    });
    this.#addSandboxes(measured);
    this.#addSnapshots(measured);
    this.#addRuns(measured);
    this.#addStreams(measured);
    this.#addTunnels(measured);
  }

  /** The media type of {@link Metrics.text}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All of them, as Prometheus reads them. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  callEnded({ path, caller, scopeName, code, durationMs }: EndedCall): void {
    const method = path.slice(1);
    this.#latency.observe({ method, code: codeName(code) }, durationMs / 1000);
    if (caller === undefined) return;
    // Tokens that it has made are one: they come and go, and a label for each would stay.
    const token = scopeName === undefined ? caller : `${caller}/*`;
    this.#ofTokens.inc({ token, code: codeName(code) });
  }

  sandboxCreated(): void {
    this.#made.inc();
  }

  #addSandboxes({ sandboxes }: Measured): void {
    this.#add('sandboxes', 'Sandboxes that can be asked for, by how they stand.', {
      label: 'state',
      read: () =>
        phases.map((phase) => [
          phase,
          sandboxes.all.filter(({ record }) => record.phase === phase).length,
        ]),
    });
  }

  #addSnapshots({ snapshots }: Measured): void {
    const records = (): readonly SnapshotRecord[] => snapshots.all.map(({ record }) => record);
    this.#add('snapshots', 'Snapshots that can be asked for, by how they stand.', {
      label: 'state',
      read: () =>
        Object.entries(snapshotStates).map(([name, state]) => [
          name,
          records().filter(({ message }) => message.state === state).length,
        ]),
    });
    this.#add('snapshot_bytes', 'What is in the snapshots that are kept, in bytes.', {
      read: () => [
        ['', records().reduce((bytes, { message }) => bytes + Number(message.sizeBytes), 0)],
      ],
    });
  }

  #addRuns({ runs }: Measured): void {
    this.#add('runs_live', 'Runs that go on.', { read: () => [['', runs.live]] });
    this.#add('runs_paused', 'Runs that wait because their reader is behind.', {
      read: () => [['', runs.paused]],
    });
    this.#addTotal('runs_ended_total', 'Runs that are over, by how they ended.', {
      label: 'outcome',
      read: () => Object.entries(runs.ended),
    });
    this.#addTotal('output_bytes_total', 'Bytes that runs wrote, by stream.', {
      label: 'stream',
      read: () => [
        ['stdout', runs.stdout],
        ['stderr', runs.stderr],
      ],
    });
    this.#addTotal('input_bytes_total', 'Bytes of input that runs were sent.', {
      read: () => [['', runs.stdin]],
    });
  }

  #addStreams({ calls, connections }: Measured): void {
    this.#add(
      'streams_open',
      'Streams that are open: of runs, of their input, of logs and of lists.',
      {
        read: () => [['', calls.open.filter(({ isStream }) => isStream).length]],
      },
    );
    this.#add('connections', 'Connections of clients.', { read: () => [['', connections()]] });
  }

  #addTunnels({ tunnels }: Measured): void {
    this.#add('tunnels', 'Tunnels that are open.', { read: () => [['', tunnels().open]] });
    this.#add('tunnels_behind', 'Tunnels that wait because their client is behind.', {
      read: () => [['', tunnels().behind]],
    });
    this.#add('tunnel_sessions', 'Sessions of tunnels, with those that wait for a connection.', {
      read: () => [['', tunnels().sessions]],
    });
    this.#add('tunnel_unacked_bytes', 'Bytes kept until clients have acknowledged them.', {
      read: () => [['', tunnels().unackedBytes]],
    });
  }

  #add(name: string, help: string, { label, read }: Reading): void {
    const gauge: Gauge = new Gauge({
      ...{ name: `sandboxrx_${name}`, help, registers: [this.#registry] },
      labelNames: label === undefined ? [] : [label],
      collect: () => {
        for (const [value, count] of read()) gauge.set(labelled(label, value), count);
      },
    });
  }

  #addTotal(name: string, help: string, { label, read }: Reading): void {
    const counter: Counter = new Counter({
      ...{ name: `sandboxrx_${name}`, help, registers: [this.#registry] },
      labelNames: label === undefined ? [] : [label],
      collect: () => {
        counter.reset();
        for (const [value, count] of read()) counter.inc(labelled(label, value), count);
      },
    });
  }
}

/** Where the numbers of a metric come from, for each value of its label. */
interface Reading {
  readonly label?: string;
  readonly read: () => readonly (readonly [value: string, count: number])[];
}

function labelled(label: string | undefined, value: string): Record<string, string> {
  return label === undefined ? {} : { [label]: value };
}
