import { joined, type Parts } from '../../process/bytes.js';
import type { Codec } from '../../wire/codec.js';
import { decodedOutput } from '../../wire/exec-frames.js';
import type { ExecStreamOutput } from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';

/** One call of a service. */
export interface RpcMethod<Request, Response> {
  /** As in `:path`: `/package.Service/Method`. */
  readonly path: string;
  encode(request: Request): Uint8Array;
  /** More than one where what it says comes in parts, and each can stand for itself. */
  decode(response: Parts): readonly Response[];
}

/** A call of a generated service description. */
export function rpcMethod<Request, Response>(
  service: { readonly fullName: string },
  method: {
    readonly name: string;
    readonly requestType: Codec<Request>;
    readonly responseType: Codec<Response>;
  },
): RpcMethod<Request, Response> {
  const { name, requestType, responseType } = method;
  return {
    path: `/${service.fullName}/${name}`,
    encode: (request) => requestType.encode(request).finish(),
    decode: (response) => [responseType.decode(joined(response))],
  };
}

/** A message that is output of a run. */
interface OutputMessage {
  message: { $case: 'output'; value: ExecStreamOutput };
}

/** The same call, most of whose answers are output: those are read faster. */
export function mostlyOutput<Request, Response>(
  method: RpcMethod<Request, Response | OutputMessage>,
): RpcMethod<Request, Response | OutputMessage> {
  return {
    ...method,
    decode: (response) => {
      const output = decodedOutput(response);
      if (output === undefined) return method.decode(response);
      const { stream } = output;
      return output.data.map((data) => ({ message: { $case: 'output', value: { stream, data } } }));
    },
  };
}
