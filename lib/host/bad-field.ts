import { SandboxValidationError } from '../process/errors/errors.js';
import type { SandboxErrorDetails } from '../process/errors/sandbox-error.js';
import { checkText } from '../process/validate.js';
import { GrpcCode } from '../wire/grpc-code.js';

/** A field of a request that cannot be as it is. Callers are told its name by a `google.rpc.BadRequest`. */
export function badField(
  field: string,
  description: string,
  details: Omit<SandboxErrorDetails, 'remote'> = {},
): SandboxValidationError {
  return refusal(`${field}: ${description}`, { field, description, details });
}

/** Checks a field by the words of the model, in which it may have another name. @throws SandboxValidationError */
export function checkField(field: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    if (!(cause instanceof SandboxValidationError)) throw cause;
    const { message } = cause;
    throw refusal(message, { field, description: message, details: { cause } });
  }
}

/** A value that a later version of the API adds would be passed over. @throws SandboxValidationError */
export function checkEnum(
  field: string,
  value: number,
  known: Readonly<Record<string, number>>,
): void {
  if (value < 0 || !Object.values(known).includes(value)) {
    throw badField(field, `this host does not know the value ${value}`);
  }
}

/** As the API bounds the ids that callers choose. */
const maxIdBytes = 128;

/** An id that a caller may have chosen. @throws SandboxValidationError */
export function checkId(field: string, id: string): void {
  checkField(field, () => {
    checkText(field, id);
  });
  if (Buffer.byteLength(id) > maxIdBytes) {
    throw badField(field, `it is longer than ${maxIdBytes} bytes`);
  }
}

function refusal(
  message: string,
  {
    field,
    description,
    details,
  }: {
    readonly field: string;
    readonly description: string;
    readonly details: SandboxErrorDetails;
  },
): SandboxValidationError {
  const remote = { grpcCode: GrpcCode.INVALID_ARGUMENT, violations: [{ field, description }] };
  return new SandboxValidationError(message, { ...details, remote });
}
