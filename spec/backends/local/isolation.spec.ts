import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SandboxClient, type ProcessResult, type Sandbox } from 'sandbox-rx';
import { localBackend } from 'sandbox-rx/node';
import { eventually } from '../../contract/kit.js';
import { describeWithBubblewrap } from './bubblewrap.js';
import { processOf, processesWith, uniqueSeconds, uniqueWord } from './host.js';

const client = new SandboxClient(localBackend());

async function listeningOn(address: string | 0): Promise<Server> {
  const server = createServer((socket) => socket.end('host'));
  if (address === 0) server.listen(0, '127.0.0.1');
  else server.listen(address);
  await once(server, 'listening');
  return server;
}

const connectTcp =
  'use IO::Socket::INET; my $s = IO::Socket::INET->new("127.0.0.1:$ARGV[0]"); print $s ? <$s> : "refused"';
// Node pads the name of an abstract socket with NULs, or does not, by its version: both are tried.
const connectUnix = `
  use Socket;
  my $name = $ARGV[0] =~ s/^@/\\0/r;
  for my $address (pack("S a*", AF_UNIX, $name), pack("S a108", AF_UNIX, $name)) {
    socket(my $socket, PF_UNIX, SOCK_STREAM, 0);
    if (connect($socket, $address)) { print <$socket>; exit }
  }
  print "refused"`;
const serveItself =
  'use IO::Socket::INET; my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die;' +
  ' print IO::Socket::INET->new("127.0.0.1:" . $l->sockport) ? "connected" : "refused"';

describeWithBubblewrap('isolation, tried from inside', () => {
  const secret = uniqueWord();
  const seconds = uniqueSeconds();
  let directory: string;
  let sandbox: Sandbox;
  let hostProcess: ChildProcess;
  const servers: Server[] = [];

  const listening = async (address: string | 0): Promise<Server> => {
    const server = await listeningOn(address);
    servers.push(server);
    return server;
  };
  const sh = async (script: string, ...args: string[]): Promise<ProcessResult> =>
    sandbox.exec(['sh', '-c', script, 'sh', ...args]).result();
  const perl = async (where: Sandbox, script: string, argument = ''): Promise<string> =>
    (await where.exec(['perl', '-e', script, argument])).stdout;

  beforeAll(async () => {
    process.env['SANDBOX_RX_TEST_SECRET'] = secret;
    directory = mkdtempSync(join(tmpdir(), 'isolation-'));
    writeFileSync(join(directory, 'secret'), secret);
    hostProcess = spawn('sleep', [seconds]);
    sandbox = await client.create();
  });

  afterAll(async () => {
    delete process.env['SANDBOX_RX_TEST_SECRET'];
    hostProcess.kill();
    for (const server of servers) server.close();
    rmSync(directory, { recursive: true });
    await sandbox.delete();
  });

  describe('files', () => {
    it('of the host, its homes and its temporary directory, are not there', async () => {
      expect((await sh('ls -A ~; ls -A /root')).stdout).toBe('');
      expect((await sh('ls /home /mnt /srv /media /boot /sys 2>/dev/null')).stdout).toBe('');
      expect((await sh('cat "$1"', join(directory, 'secret'))).returncode).toBe(1);
      expect((await sh('cat /etc/shadow')).returncode).toBe(1);
      if (homedir() !== '/root') expect((await sh('ls -d "$1"', homedir())).returncode).not.toBe(0);
    });

    it.each(['/usr', '/etc', '/', '/dev', '/run', '/var', '/bin', '/proc/sys/kernel', '/opt'])(
      'cannot be written in %s',
      async (place) => {
        const { returncode } = await sh('echo x >"$1/sandbox-rx-test"', place);
        expect(returncode).not.toBe(0);
        expect(existsSync(`${place}/sandbox-rx-test`)).toBe(false);
      },
    );

    it("can be written at home, in /tmp and in /dev/shm, which are the sandbox's own", async () => {
      const word = uniqueWord();
      const places = ['/root', '/tmp', '/dev/shm', '/var/tmp'];
      for (const place of places) {
        expect(await sh('echo x >"$1/$2"', place, word)).toMatchObject({ returncode: 0 });
        expect(existsSync(`${place}/${word}`)).toBe(false);
      }
      const other = await client.create();
      expect((await other.exec(['ls', '-A', ...places])).stdout).not.toContain(word);
      await other.delete();
    });

    it('of /usr stay read-only, whatever is tried', async () => {
      const script =
        'mount -o remount,rw /usr || mount -o remount,rw,bind /usr || echo x >/usr/bin/sh';
      expect((await sh(script)).returncode).not.toBe(0);
    });
  });

  describe('the environment of the host', () => {
    it('is not there, also not in that of any process', async () => {
      const { stdout } = await sh('env; cat /proc/*/environ; cat /proc/*/cmdline');
      expect(stdout).not.toContain(secret);
      expect(stdout).toContain('SANDBOX_RX_RUN');
    });
  });

  describe('processes', () => {
    it('of the host are not seen, and cannot be killed', async () => {
      expect((await sh('cat /proc/[0-9]*/cmdline')).stdout).not.toContain(seconds);
      const pid = String(hostProcess.pid);
      expect((await sh('kill -KILL "$1"', pid)).returncode).not.toBe(0);
      expect((await sh('kill -KILL 1; echo still here')).stdout).toBe('still here\n');
      expect(hostProcess.exitCode ?? hostProcess.signalCode).toBeNull();
    });

    it('that kill all they can end their own sandbox, which says so, and nothing else', async () => {
      const doomed = await client.create();
      await doomed.exec(['sh', '-c', 'trap "" TERM; kill -KILL -1']);
      expect(await doomed.wait()).toMatchObject({ status: 'stopped' });
      expect((await doomed.status()).reason).toContain('ended unexpectedly');
      await doomed.delete();
      expect(hostProcess.exitCode ?? hostProcess.signalCode).toBeNull();
      expect((await sandbox.status()).status).toBe('running');
    });

    it('of the host cannot be traced, nor the first one of the sandbox', async () => {
      const attach = 'print syscall(101, 16, $ARGV[0], 0, 0) == 0 ? "attached" : "refused"';
      expect(await perl(sandbox, attach, String(hostProcess.pid))).toBe('refused');
      expect(await perl(sandbox, attach, '1')).toBe('refused');
    });

    it('of one sandbox see each other', async () => {
      const mine = uniqueSeconds();
      const sleeper = sandbox.exec(['sleep', mine]);
      await eventually('it sleeps', () => processOf(['sleep', mine]) !== undefined);
      expect((await sh('cat /proc/[0-9]*/cmdline')).stdout).toContain(mine);
      sleeper.cancel();
      await sleeper.closed;
    });
  });

  describe('privileges', () => {
    it('are none', async () => {
      const { stdout } = await sh('grep -E "^(Cap|NoNewPrivs)" /proc/self/status');
      const fields = Object.fromEntries(
        stdout
          .trim()
          .split('\n')
          .map((line) => line.split(/:\s*/) as [string, string]),
      );
      expect(fields).toEqual({
        CapInh: '0000000000000000',
        CapPrm: '0000000000000000',
        CapEff: '0000000000000000',
        CapBnd: '0000000000000000',
        CapAmb: '0000000000000000',
        NoNewPrivs: '1',
      });
    });

    it('cannot be had in a user namespace of their own', async () => {
      expect((await sh('unshare --user --map-root-user true')).returncode).not.toBe(0);
      expect((await sh('unshare --mount true || unshare --net true')).returncode).not.toBe(0);
      expect((await sh('mount -t tmpfs none /tmp')).returncode).not.toBe(0);
      expect((await sh('chroot / true')).returncode).not.toBe(0);
      expect((await sh('hostname other')).returncode).not.toBe(0);
    });

    it('are those of nobody on the host', async () => {
      const mine = uniqueSeconds();
      const sleeper = sandbox.exec(['sleep', mine]);
      await eventually('it sleeps', () => processOf(['sleep', mine]) !== undefined);
      const status = readFileSync(`/proc/${processOf(['sleep', mine]) ?? 0}/status`, 'latin1');
      const own = process.getuid?.() ?? 0;
      const uids = /^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)/m.exec(status)?.slice(1).map(Number) ?? [];
      expect(uids).toHaveLength(4);
      expect(uids.every((uid) => (own === 0 ? uid > 65_535 : uid === own))).toBe(true);
      sleeper.cancel();
      await sleeper.closed;
    });

    it('do not grow by devices', async () => {
      expect((await sh('mknod /tmp/disk b 8 0')).returncode).not.toBe(0);
      expect(
        (await sh('ls /dev/mem /dev/kmem /dev/sda /dev/vda /dev/kvm 2>/dev/null')).stdout,
      ).toBe('');
    });
  });

  describe('the network', () => {
    it('of the host is not reached, unless that is asked for', async () => {
      const server = await listening(0);
      const port = String((server.address() as AddressInfo).port);
      expect(await perl(sandbox, connectTcp, port)).toBe('refused');
      const open = await client.create({ network: 'host' });
      expect(await perl(open, connectTcp, port)).toBe('host');
      await open.delete();
    });

    it('of the sandbox is a loopback', async () => {
      expect(await perl(sandbox, serveItself)).toBe('connected');
    });

    it('gives no way to unix sockets of the host, named or abstract', async () => {
      const path = join(directory, 'socket');
      const abstract = `sandbox-rx-${uniqueWord()}`;
      await listening(path);
      await listening(`\0${abstract}`);
      expect(await perl(sandbox, connectUnix, path)).toBe('refused');
      expect(await perl(sandbox, connectUnix, `@${abstract}`)).toBe('refused');
      const open = await client.create({ network: 'host' });
      expect(await perl(open, connectUnix, `@${abstract}`)).toBe('host');
      await open.delete();
    });
  });
});

describeWithBubblewrap('limits, tried from inside', () => {
  it('hold back a fork bomb', async () => {
    const sandbox = await client.create({ limits: { processes: 20 } });
    const seconds = uniqueSeconds();
    const bomb = sandbox.exec(['sh', '-c', 'while :; do sleep $1 & done; wait', 'sh', seconds]);
    const { returncode } = await bomb.result();
    expect(returncode).not.toBe(0);
    expect(processesWith(`sleep\0${seconds}`).length).toBeLessThanOrEqual(20);
    expect(spawnSync('true').status).toBe(0);
    await sandbox.delete();
    expect(processesWith(seconds)).toEqual([]);
  });

  it('count the processes of each sandbox by itself', async () => {
    const [first, second] = [
      await client.create({ limits: { processes: 10 } }),
      await client.create({ limits: { processes: 10 } }),
    ];
    const many = first.exec(['sh', '-c', 'while :; do sleep 600 & done']);
    await many.result();
    expect((await second.exec(['sh', '-c', 'true & true & wait; echo fine'])).stdout).toBe(
      'fine\n',
    );
    await first.delete();
    await second.delete();
  });

  it('hold back a fork bomb when nothing is said', async () => {
    const sandbox = await client.create();
    const { stdout } = await sandbox.exec(['sh', '-c', 'ulimit -u 2>/dev/null || ulimit -p']);
    expect(Number(stdout)).toBe(1024);
    await sandbox.delete();
  });

  it.each(['/root', '/tmp', '/dev/shm'])('keep %s from being filled', async (place) => {
    const sandbox = await client.create({ limits: { homeBytes: 1_048_576 } });
    const script = 'head -c 5000000 /dev/zero >"$1/full"; ls -l "$1/full"';
    const { stderr, stdout } = await sandbox.exec(['sh', '-c', script, 'sh', place]);
    expect(stderr).toContain('No space left');
    expect(Number(stdout.split(/\s+/)[4])).toBeLessThanOrEqual(1_048_576);
    const writing = sandbox.files.write(`${place}/more`, 'x'.repeat(100_000));
    await expect(writing.result()).rejects.toMatchObject({ code: 'ERR_FILE', reason: 'no_space' });
    await sandbox.delete();
  });

  it('bound the memory of each process', async () => {
    const sandbox = await client.create({ limits: { memoryBytes: 100 * 1_048_576 } });
    const eat = '$x = "x" x (300 * 1024 * 1024); print "ate"';
    const results = await Promise.all(
      [1, 2, 3].map(() => sandbox.exec(['perl', '-e', eat]).result()),
    );
    for (const { stdout, returncode } of results) {
      expect(stdout).toBe('');
      expect(returncode).not.toBe(0);
    }
    expect((await sandbox.exec(['perl', '-e', '$x = "x" x 20000000; print "ate"'])).stdout).toBe(
      'ate',
    );
    await sandbox.delete();
  });

  it('bound open files', async () => {
    const sandbox = await client.create({ limits: { openFiles: 16 } });
    const open = 'while (open($f[$n], "<", "/dev/null")) { $n++ } print $n';
    const { stdout } = await sandbox.exec(['perl', '-e', open]);
    expect(Number(stdout)).toBeGreaterThan(5);
    expect(Number(stdout)).toBeLessThanOrEqual(16);
    await sandbox.delete();
  });

  it('bound the processor time of a process', async () => {
    const sandbox = await client.create({ limits: { cpuSeconds: 1 } });
    const { signal } = await sandbox.exec(['sh', '-c', 'while :; do :; done']);
    expect(['SIGKILL', 'SIGXCPU']).toContain(signal);
    await sandbox.delete();
  });

  it('cannot be raised from inside', async () => {
    const limits = { openFiles: 16, processes: 20, memoryBytes: 200 * 1_048_576 };
    const sandbox = await client.create({ limits });
    const raise = 'ulimit -n 64 || ulimit -v unlimited || { ulimit -u 100 || ulimit -p 100; }';
    expect((await sandbox.exec(['sh', '-c', `${raise} 2>/dev/null`])).returncode).not.toBe(0);
    await sandbox.delete();
  });
});
