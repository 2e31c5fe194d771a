import type { Socket } from 'node:net';

/** With this every HTTP/2 connection begins, and no other. */
const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Tells once enough has come to know what is spoken; the socket then is as if nothing had been read. */
export function whenKnown(socket: Socket, known: (isHttp2: boolean) => void): void {
  let head: Buffer = Buffer.alloc(0);
  const look = (data: Buffer): void => {
    head = head.length === 0 ? data : Buffer.concat([head, data]);
    const length = Math.min(head.length, preface.length);
    const mayBeHttp2 = head.subarray(0, length).equals(preface.subarray(0, length));
    if (mayBeHttp2 && length < preface.length) return;
    socket.off('data', look);
    socket.pause();
    socket.unshift(head);
    known(mayBeHttp2);
    // A server of HTTP/2 reads for itself. One of HTTP/1 only listens, and would wait for ever.
    if (!mayBeHttp2) socket.resume();
  };
  socket.on('data', look);
}
