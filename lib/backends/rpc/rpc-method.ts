import type { Codec } from '../../wire/codec.js';

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
