import { refuse } from '../../../process/validate.js';
import { isHeader, type TokenOption } from '../connect-options.js';

/** A variable of the environment; one that is set to nothing is as one that is not set. */
export function variable(name: string): string | undefined {
  const value = process.env[name]?.trim();
  return value === '' ? undefined : value;
}

const tokenVariable = 'CWSANDBOX_API_KEY';

/**
 * The token that goes along now; the environment's where none was chosen.
 *
 * @throws SandboxValidationError where it cannot be sent, which does not show it
 */
export function tokenNow(token: TokenOption | undefined): string | undefined {
  const chosen = typeof token === 'function' ? token() : (token ?? variable(tokenVariable));
  if (chosen === undefined || chosen === '') return undefined;
  if (!isHeader(chosen)) {
    const name = token === undefined ? tokenVariable : 'token';
    refuse(name, 'a string of printable ASCII', '(not shown)');
  }
  return chosen;
}
