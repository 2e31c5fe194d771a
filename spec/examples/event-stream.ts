/**
 * An endpoint that streams a run to a browser as server-sent events: `new EventSource('/runs/NAME')` gets each line, and how it
 * ended. A browser that reads slowly makes the process wait; one that leaves ends it.
 */
import { Readable } from 'node:stream';
import fastify, { type FastifyInstance } from 'fastify';
import type { Process, Sandbox } from 'sandbox-rx';

/** A server of these commands, by their names. */
export function runServer(
  sandbox: Sandbox,
  commands: Readonly<Record<string, readonly string[]>>,
): FastifyInstance {
  // Streams have no end of their own that closing could wait for.
  const server = fastify({ forceCloseConnections: true });
  server.get<{ Params: { name: string } }>('/runs/:name', async (request, reply) => {
    const command = Object.hasOwn(commands, request.params.name) && commands[request.params.name];
    if (!command) return reply.code(404).send('no such command');
    const process = sandbox.exec(command, { stderr: 'stdout' });
    // Not left to the generator: it would wait for its next line first.
    reply.raw.once('close', () => process.cancel());
    reply.header('content-type', 'text/event-stream').header('cache-control', 'no-store');
    return reply.send(Readable.from(eventsOf(process)));
  });
  return server;
}

async function* eventsOf(process: Process): AsyncGenerator<string> {
  try {
    for await (const line of process.stdout.lines()) yield eventOf('line', line);
    yield eventOf('exit', await process.wait());
  } catch (error) {
    yield eventOf('failure', String(error));
  }
}

/** As JSON, for a line of data ends at the end of the line. */
function eventOf(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
