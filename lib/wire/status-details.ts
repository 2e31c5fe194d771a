import type { FieldViolation, RemoteDetails } from '../process/errors/sandbox-error.js';
import type { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { Any } from './generated/google/protobuf/any.js';
import type { Duration } from './generated/google/protobuf/duration.js';
import { BadRequest, ErrorInfo, RetryInfo } from './generated/google/rpc/error_details.js';
import { Status } from './generated/google/rpc/status.js';
import type { CallStatus } from './grpc-code.js';

const typePrefix = 'type.googleapis.com/google.rpc.';

/** What the details of a status say; what cannot be read of them is left out. */
export function readDetails({ code, details }: CallStatus): RemoteDetails {
  const known: Mutable<RemoteDetails> = { grpcCode: code };
  for (const { typeUrl, value } of anysOf(details)) {
    try {
      readDetail(known, typeUrl, value);
    } catch {
      // One that is malformed takes nothing from the others.
    }
  }
  return known;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A status that was put into a message instead of the trailers of a call. */
export function readStatus(bytes: Uint8Array): CallStatus {
  const { code, message } = Status.decode(bytes);
  return { code, message, details: bytes };
}

function anysOf(details: Uint8Array | undefined): readonly Any[] {
  if (details === undefined) return [];
  try {
    return Status.decode(details).details;
  } catch {
    return [];
  }
}

/** The first of each kind that says something counts. */
function readDetail(known: Mutable<RemoteDetails>, typeUrl: string, value: Uint8Array): void {
  if (typeUrl.endsWith('.ErrorInfo')) {
    const { reason, domain, metadata } = ErrorInfo.decode(value);
    if (known.reason === undefined && reason !== '')
      Object.assign(known, { reason, domain, metadata });
  } else if (typeUrl.endsWith('.RetryInfo')) {
    const { retryDelay } = RetryInfo.decode(value);
    if (retryDelay !== undefined) known.retryDelayMs ??= millisecondsOf(retryDelay);
  } else if (typeUrl.endsWith('.BadRequest')) {
    const { fieldViolations } = BadRequest.decode(value);
    known.violations ??= fieldViolations.map(
      ({ field, description, localizedMessage, reason }) => ({
        field,
        description: firstOf(description, localizedMessage?.message, reason),
      }),
    );
  }
}

function firstOf(...texts: readonly (string | undefined)[]): string {
  return texts.find((text) => text !== undefined && text !== '') ?? '';
}

function millisecondsOf({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + nanos / 1_000_000;
}

/** What a status has to say beside its code and message. */
export interface DetailsToSend {
  readonly reason: string;
  readonly domain: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  readonly retryDelayMs?: number;
}

/** The `google.rpc.Status` of an error. */
export function writeDetails(status: Omit<CallStatus, 'details'>, said: DetailsToSend): Uint8Array {
  const { reason, domain, metadata = {}, violations, retryDelayMs } = said;
  const details = [
    any('ErrorInfo', ErrorInfo.encode({ reason, domain, metadata: { ...metadata } })),
  ];
  if (violations !== undefined) {
    const fieldViolations = violations.map(({ field, description }) => ({
      ...{ field, description, reason: '', localizedMessage: undefined },
    }));
    details.push(any('BadRequest', BadRequest.encode({ fieldViolations })));
  }
  if (retryDelayMs !== undefined) {
    const retryDelay = {
      seconds: BigInt(Math.floor(retryDelayMs / 1000)),
      nanos: Math.round((retryDelayMs % 1000) * 1_000_000),
    };
    details.push(any('RetryInfo', RetryInfo.encode({ retryDelay })));
  }
  return Status.encode({ ...status, details }).finish();
}

function any(name: string, message: BinaryWriter): Any {
  return { typeUrl: `${typePrefix}${name}`, value: message.finish() };
}
