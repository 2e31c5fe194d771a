import type { CallStatus } from '../../../wire/grpc-code.js';
import type { CallObserver, CallOpening, OpenCall } from '../../../wire/tunnel/client-call.js';
import type { ClientTunnel } from '../../../wire/tunnel/client-tunnel.js';
import type { EndReason } from '../../../wire/tunnel/end-reason.js';

/** Who is told of a call; as of one of the tunnel, but that its loss says why. */
export interface LineCallObserver extends Pick<CallObserver, 'opened' | 'message' | 'end'> {
  /** `wasSent`: the server may have got it. */
  lost(why: CallStatus, wasSent: boolean): void;
}

/** What a line wants to know of its calls. */
export interface LineCallHooks {
  /** It needs no connection any more. */
  over(): void;
  lossBy(reason: EndReason, wasSent: boolean): CallStatus;
}

/** A call of a tunnel, with its line told of it. */
export function lineCall(
  tunnel: ClientTunnel,
  { opening, observer }: { readonly opening: CallOpening; readonly observer: LineCallObserver },
  hooks: LineCallHooks,
): OpenCall {
  let isOver = false;
  const over = (): void => {
    if (!isOver) hooks.over();
    isOver = true;
  };
  const call = tunnel.open(opening, {
    opened: (metadata) => {
      observer.opened(metadata);
    },
    message: (message) => {
      observer.message(message);
    },
    end: (end) => {
      over();
      observer.end(end);
    },
    lost: (reason, wasSent) => {
      over();
      observer.lost(hooks.lossBy(reason, wasSent), wasSent);
    },
  });
  return {
    send: (parts, accepted) => {
      call.send(parts, accepted);
    },
    halfClose: () => {
      call.halfClose();
    },
    pause: (paused) => {
      call.pause(paused);
    },
    cancel: () => {
      over();
      call.cancel();
    },
  };
}
