import type { Codec } from '../../wire/codec.js';
import { decodedOutput } from '../../wire/exec-frames.js';
import type { ExecStreamOutput } from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';

/** One call of a service. */
export interface RpcMethod<Request, Response> {
  /** As in `:path`: `/package.Service/Method`. */
  readonly path: string;
  encode(request: Request): Uint8Array;
  decode(response: Uint8Array): Response;
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
    decode: (response) => responseType.decode(response),
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
      const value = decodedOutput(response);
      return value === undefined
        ? method.decode(response)
        : { message: { $case: 'output', value } };
    },
  };
}
