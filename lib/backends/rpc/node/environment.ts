import type { TokenOption } from '../connect-options.js';

/** A variable of the environment; one that is set to nothing is as one that is not set. */
export function variable(name: string): string | undefined {
  const value = process.env[name]?.trim();
  return value === '' ? undefined : value;
}

/** The token that goes along now; the environment's where none was chosen. */
export function tokenNow(token: TokenOption | undefined): string | undefined {
  const chosen = typeof token === 'function' ? token() : (token ?? variable('CWSANDBOX_API_KEY'));
  return chosen === '' ? undefined : chosen;
}
