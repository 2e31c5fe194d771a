import { SandboxError } from '../process/errors/sandbox-error.js';

/** Tells an error in one line. */
export function tell(error: unknown): void {
  console.error(
    `sandbox-rx: ${messageOf(error)
      .trim()
      .replaceAll(/\s*\n\s*/g, ' ')}`,
  );
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message } = error;
  if (!(error instanceof SandboxError) || error.remote === undefined) return message;
  if (error.code === 'ERR_BACKEND_UNAVAILABLE') {
    // gRPC has a label there for what mostly is not there.
    return `the server cannot be reached: ${message.replace(/\s*Resolution note:\s*$/, '')}`;
  }
  return error.code === 'ERR_PERMISSION'
    ? `the server does not permit it: ${message} (the token is read from CWSANDBOX_API_KEY)`
    : message;
}
