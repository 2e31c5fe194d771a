import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';
import { bundledHostProgram, HostProgram } from './host-program.js';

let program: string;
let remove: () => void;
let host: HostProgram;

beforeAll(async () => {
  ({ program, remove } = await bundledHostProgram());
});

afterEach(() => {
  host.dispose();
});

afterAll(() => {
  remove();
});

const asked = 'ERR_RESOURCE_EXHAUSTED, true';
const fewDescriptors = ['sh', '-c', 'ulimit -n 400; exec "$@"', 'sh'];
// The system counts no processes of root.
const ordinary =
  process.getuid?.() === 0
    ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--']
    : [];

function shortage(isolation: 'bubblewrap' | 'none'): void {
  it('of file descriptors makes create() fail in a way that says to try again', async () => {
    host = new HostProgram(program, ['without descriptors', isolation], {
      through: fewDescriptors,
    });
    const outcomes = (await host.said()).split('\n');
    expect(outcomes).toHaveLength(32);
    expect(outcomes[0]).toBe(asked);
    expect(new Set(outcomes)).toEqual(new Set([asked, 'made']));
    expect(host.child.exitCode).toBe(0);
    await eventually('nothing is left', () => host.left().length === 0);
  });

  it('that no limit can be above makes commands fail in a way that names the limit', async () => {
    host = new HostProgram(program, ['open files', isolation], { through: fewDescriptors });
    const [least, tooMany] = (await host.said()).split('\n');
    expect(least).toBe('16');
    expect(tooMany).toContain('sh: could not be started: limits.openFiles');
  });

  it('of processes makes create() fail in a way that says to try again', async () => {
    host = new HostProgram(program, ['without processes', isolation], { through: ordinary });
    expect(await host.said()).toBe(asked);
    expect(host.child.exitCode).toBe(0);
    await eventually('nothing is left', () => host.left().length === 0);
  });
}

describe('a shortage without isolation', () => {
  shortage('none');
});

describe('the directory for temporary files', () => {
  it('may be a relative one', async () => {
    const within = 'cd "$TMPDIR" && mkdir tmp && TMPDIR=tmp && exec "$@"';
    host = new HostProgram(program, ['files', 'none'], { through: ['sh', '-c', within, 'sh'] });
    expect(await host.said()).toBe('texttext');
    expect(readdirSync(join(host.directory, 'tmp'))).toEqual([]);
  });

  it('is told of where it is not there', async () => {
    host = new HostProgram(program, ['make one', 'none'], { through: ['env', 'TMPDIR=/absent'] });
    expect(await host.said()).toBe('ERR_BACKEND_UNAVAILABLE, false, names TMPDIR');
    await eventually('nothing is left', () => host.left().length === 0);
  });
});

describeWithBubblewrap('a shortage with bubblewrap', () => {
  shortage('bubblewrap');
});
