import {
  SandboxSpec,
  type PartialSandboxSpec,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';

/**
 * A spec with what is asked for on top of it. A field replaces another when it is present: a message when it is set, a
 * list or a map when it holds something, anything else when it is not the default of its type.
 */
export function overlaid(base: PartialSandboxSpec, over: PartialSandboxSpec): PartialSandboxSpec {
  const present = Object.entries(over).filter(([, value]) => isPresent(value));
  return { ...base, ...Object.fromEntries(present) };
}

/** What a template says, as a whole spec. */
export function specOfTemplate(spec: PartialSandboxSpec): SandboxSpec {
  return SandboxSpec.fromPartial(spec);
}

function isPresent(value: unknown): boolean {
  if (value === undefined || value === 0 || value === '' || value === false) return false;
  if (Array.isArray(value)) return value.length > 0;
  // Of the messages in a spec, the map of annotations is the only one whose emptiness means that it is not there.
  return typeof value !== 'object' || value === null || !isEmptyMap(value);
}

function isEmptyMap(value: object): boolean {
  return Object.keys(value).length === 0;
}
