import { once } from 'node:events';
import { Subject, filter, firstValueFrom, startWith } from 'rxjs';
import { WebSocket, type ClientOptions } from 'ws';
import { joined } from '../../lib/process/bytes.js';
import type { Codec } from '../../lib/wire/codec.js';
import { statusDetailsKey } from '../../lib/wire/grpc-code.js';
import {
  ExecStreamRequest,
  ExecStreamResponse,
  SandboxServiceDefinition,
} from '../../lib/wire/generated/coreweave/sandbox/v1/sandbox.js';
import { readDetails } from '../../lib/wire/status-details.js';
import type { CallEnd } from '../../lib/wire/tunnel/call.js';
import type { CallOpening, OpenCall } from '../../lib/wire/tunnel/client-call.js';
import { ClientTunnel } from '../../lib/wire/tunnel/client-tunnel.js';
import type { TunnelLimits } from '../../lib/wire/tunnel/limits.js';

export const sandboxService: string = SandboxServiceDefinition.fullName;

/** How a WebSocket is asked for. */
export interface Asking extends ClientOptions {
  readonly token?: string;
  readonly protocols?: readonly string[];
}

/** What a client in a browser offers. */
export function offered(token?: string): string[] {
  const bearer = `sandbox-rx.bearer.${Buffer.from(token ?? '').toString('base64url')}`;
  return ['sandbox-rx.v1', ...(token === undefined ? [] : [bearer])];
}

/** Asks for one; it is open, or this rejects with the answer. */
export async function webSocketTo(url: string, asking: Asking = {}): Promise<WebSocket> {
  const { token, protocols = offered(token), ...options } = asking;
  const webSocket = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...options });
  const refused: Promise<never> = new Promise((_resolve, reject) => {
    webSocket.on('unexpected-response', (_request, response) => {
      response.on('error', () => undefined);
      void (async () => {
        let body = '';
        for await (const part of response) body += String(part);
        reject(new Refused(response.statusCode ?? 0, body));
      })();
    });
    webSocket.on('error', reject);
  });
  await Promise.race([once(webSocket, 'open'), refused]);
  refused.catch(() => undefined);
  return webSocket;
}

/** How a WebSocket was refused. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number, body: string) {
    super(body);
    this.status = status;
  }
}

/** A call that is watched. */
export class WatchedCall {
  readonly call: OpenCall;
  readonly messages: Uint8Array[] = [];
  end: CallEnd | undefined;
  lost: string | undefined;
  bytes = 0;
  readonly #changed: Subject<void> = new Subject();

  constructor(tunnel: ClientTunnel, opening: CallOpening) {
    this.call = tunnel.open(opening, {
      opened: () => undefined,
      message: (parts) => {
        const message = joined(parts);
        this.messages.push(message);
        this.bytes += message.length;
        this.#changed.next();
      },
      end: (end) => {
        this.end = end;
        this.#changed.next();
      },
      lost: (reason, wasSent) => {
        this.lost = `${reason}${wasSent ? '' : ', not sent'}`;
        this.#changed.next();
      },
    });
  }

  /** Settles when it is so. */
  async until(isSo: () => boolean): Promise<void> {
    await firstValueFrom(this.#changed.pipe(startWith(undefined), filter(isSo)));
  }

  /** How it ended, with what its details say. */
  async ended(): Promise<CallEnd & { readonly reason?: string | undefined }> {
    await this.until(() => this.end !== undefined || this.lost !== undefined);
    if (this.end === undefined) throw new Error(`lost: ${this.lost}`);
    const { code, message, trailers } = this.end;
    const details = trailers[statusDetailsKey];
    if (!(details instanceof Uint8Array)) return this.end;
    return { ...this.end, reason: readDetails({ code, message, details }).reason };
  }
}

interface Method<Request, Response> {
  readonly name: string;
  readonly requestType: Codec<Request>;
  readonly responseType: Codec<Response>;
}

/** A client's end of a tunnel over `ws`. */
export class TunnelClient {
  readonly tunnel: ClientTunnel;
  readonly told: string[] = [];
  webSocket: WebSocket | undefined;
  readonly #changed: Subject<void> = new Subject();

  constructor(limits: Partial<TunnelLimits> = {}) {
    const tell = (word: string): void => {
      this.told.push(word);
      this.#changed.next();
    };
    this.tunnel = new ClientTunnel({
      limits,
      observer: {
        connected: (resumed) => {
          tell(resumed ? 'resumed' : 'connected');
        },
        disconnected: (reason) => {
          tell(`disconnected ${reason ?? ''}`.trim());
        },
        latency: () => undefined,
        draining: () => {
          tell('draining');
        },
      },
    });
  }

  /** A new WebSocket, over which the session begins or goes on; settles when it is there. */
  async connect(url: string, asking: Asking = {}): Promise<void> {
    const webSocket = await webSocketTo(url, asking);
    this.webSocket = webSocket;
    const connection = this.tunnel.connected({
      send: (parts) => {
        webSocket.send(Buffer.concat(parts), () => {
          connection.drained();
        });
        return webSocket.bufferedAmount < 65_536;
      },
      close: (code, reason) => {
        webSocket.close(code, reason);
      },
    });
    webSocket.on('message', (data) => {
      connection.received([data as Buffer]);
    });
    webSocket.on('close', () => {
      connection.lost();
    });
  }

  /** Settles when the tunnel has said so. */
  async until(word: string): Promise<void> {
    await firstValueFrom(
      this.#changed.pipe(
        startWith(undefined),
        filter(() => this.told.includes(word)),
      ),
    );
  }

  open(method: string, opening: Partial<CallOpening> = {}): WatchedCall {
    return new WatchedCall(this.tunnel, { method, metadata: {}, ...opening });
  }

  /** One request, and what came of it. */
  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    opening: Partial<CallOpening> = {},
  ): Promise<{ readonly code: number; readonly reason?: string; readonly response?: Response }> {
    const watched = this.open(`/${sandboxService}/${method.name}`, opening);
    watched.call.send([method.requestType.encode(request).finish()]);
    watched.call.halfClose();
    const { code, reason } = await watched.ended();
    const [message] = watched.messages;
    return {
      code,
      ...(reason !== undefined && { reason }),
      ...(message && { response: method.responseType.decode(message) }),
    };
  }

  /** Makes a sandbox, and gives its id. */
  async sandbox(): Promise<string> {
    const { createSandbox } = SandboxServiceDefinition.methods;
    const { response } = await this.unary(
      createSandbox,
      createSandbox.requestType.fromPartial({
        sandbox: { spec: { containers: [{ name: 'main', image: 'any' }] } },
      }),
      { metadata: { 'sandboxrx-settle': '1' } },
    );
    if (response === undefined) throw new Error('no sandbox was made');
    return response.sandboxId;
  }

  /** A StreamExec that has begun. */
  run(
    sandboxId: string,
    command: readonly string[],
    opening: Partial<CallOpening> = {},
  ): WatchedCall {
    const watched = this.open(`/${sandboxService}/StreamExec`, opening);
    const value = { sandboxId, command: [...command] };
    watched.call.send([
      ExecStreamRequest.encode(
        ExecStreamRequest.fromPartial({ message: { $case: 'init', value } }),
      ).finish(),
    ]);
    return watched;
  }

  close(): void {
    this.tunnel.close();
    this.webSocket?.terminate();
  }
}

/** What a StreamExec has told, frame by frame. */
export function framesOf(
  watched: WatchedCall,
): readonly NonNullable<ExecStreamResponse['message']>[] {
  return watched.messages.flatMap((message) => ExecStreamResponse.decode(message).message ?? []);
}

/** Its output, as one text. */
export function textOf(watched: WatchedCall): string {
  const pieces = framesOf(watched).flatMap((frame) =>
    frame.$case === 'output' ? [Buffer.from(frame.value.data)] : [],
  );
  return Buffer.concat(pieces).toString();
}
