import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { read, root } from '../support/repository.js';

/** The parts of a descriptor, in protobuf's JSON, that the notation of contract.md can say. */
interface FieldDescriptor {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly typeName?: string;
  readonly label: string;
  readonly oneofIndex?: number;
  readonly proto3Optional?: boolean;
  readonly options?: { readonly '[google.api.field_behavior]'?: readonly string[] };
}

interface EnumDescriptor {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number?: number }[];
}

interface MessageDescriptor {
  readonly name: string;
  readonly field?: readonly FieldDescriptor[];
  readonly nestedType?: readonly MessageDescriptor[];
  readonly enumType?: readonly EnumDescriptor[];
  readonly oneofDecl?: readonly { readonly name: string }[];
  readonly options?: { readonly mapEntry?: boolean };
}

interface MethodDescriptor {
  readonly name: string;
  readonly inputType: string;
  readonly outputType: string;
  readonly clientStreaming?: boolean;
  readonly serverStreaming?: boolean;
  readonly options?: { readonly '[google.api.http]'?: Readonly<Record<string, string>> };
}

interface FileDescriptor {
  readonly name: string;
  readonly syntax: string;
  readonly package: string;
  readonly dependency: readonly string[];
  readonly options: { readonly goPackage: string };
  readonly messageType: readonly MessageDescriptor[];
  readonly enumType?: readonly EnumDescriptor[];
  readonly service: readonly { readonly name: string; readonly method: MethodDescriptor[] }[];
}

const behaviours: Readonly<Record<string, string>> = {
  REQUIRED: 'R',
  OPTIONAL: 'O',
  OUTPUT_ONLY: 'out',
  IDENTIFIER: 'id',
};

function compiled(): readonly FileDescriptor[] {
  const buf = join(root, 'node_modules/.bin/buf');
  const image = execFileSync(buf, ['build', join(root, 'proto'), '--output', '-#format=json'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const { file } = JSON.parse(image) as { readonly file: readonly FileDescriptor[] };
  return file.filter(({ name }) => name.startsWith('coreweave/'));
}

function typeOf(message: MessageDescriptor, { type, typeName, label }: FieldDescriptor): string {
  const name = (typeName ?? type.replace('TYPE_', '').toLowerCase())
    .replace('.coreweave.sandbox.v1.', '')
    .replace(/^\./, '');
  const entry = message.nestedType?.find((nested) => name === `${message.name}.${nested.name}`);
  if (entry?.options?.mapEntry) {
    const [key, value] = entry.field ?? [];
    if (key !== undefined && value !== undefined)
      return `map<${typeOf(entry, key)},${typeOf(entry, value)}>`;
  }
  return label === 'LABEL_REPEATED' ? `repeated ${name}` : name;
}

function fieldLine(message: MessageDescriptor, field: FieldDescriptor): string {
  const { name, number, proto3Optional, oneofIndex, options } = field;
  const optional = proto3Optional ? 'optional ' : '';
  const oneof = oneofIndex === undefined ? undefined : message.oneofDecl?.[oneofIndex]?.name;
  const choice = oneof === undefined || proto3Optional ? '' : ` (oneof ${oneof})`;
  const [behaviour] = options?.['[google.api.field_behavior]'] ?? [];
  const tag = behaviour === undefined ? '' : ` \`${behaviours[behaviour] ?? behaviour}\``;
  return `${number} ${name} ${optional}${typeOf(message, field)}${choice}${tag}`;
}

function messageLine(message: MessageDescriptor): string {
  const fields = (message.field ?? []).map((field) => fieldLine(message, field));
  return fields.length === 0
    ? `- \`${message.name}\` {} (empty)`
    : `- \`${message.name}\` { ${fields.join('; ')} }`;
}

function enumLine({ name, value }: EnumDescriptor, owner = ''): string {
  const values = value.map((one) => `${one.number ?? 0} ${one.name}`);
  return `- enum \`${owner}${name}\` { ${values.join('; ')} }`;
}

function methodLine({ name, inputType, outputType, ...method }: MethodDescriptor): string {
  const plain = (type: string): string =>
    type.replace('.coreweave.sandbox.v1.', '').replace(/^\./, '');
  const kind = method.clientStreaming
    ? 'bidi stream'
    : method.serverStreaming
      ? 'server stream'
      : 'unary';
  const { body, ...binding } = method.options?.['[google.api.http]'] ?? {};
  const [[verb, path] = []] = Object.entries(binding);
  const http = verb === undefined ? 'none' : `${verb.toUpperCase()} ${path ?? ''}`;
  const whole = body === undefined ? http : `${http} body=${body}`;
  return `| ${name} | ${plain(inputType)} | ${plain(outputType)} | ${kind} | \`${whole}\` |`;
}

/** Everything that a file declares, in the notation of contract.md. */
function declared(file: FileDescriptor): readonly string[] {
  return [
    ...file.service.flatMap(({ name, method }) => [
      `Service \`${file.package}.${name}\`:`,
      ...method.map(methodLine),
    ]),
    ...(file.enumType ?? []).map((one) => enumLine(one)),
    ...file.messageType.flatMap((message) => [
      messageLine(message),
      ...(message.enumType ?? []).map((one) => enumLine(one, `${message.name}.`)),
    ]),
  ].toSorted();
}

const heading = /^## `([^`]+)` \(imports: ([^)]*)\)$/m;
const sections = read('spec/wire/contract.md')
  .split(/^(?=## )/m)
  .slice(1);

describe('the schema of coreweave.sandbox.v1', () => {
  const files = compiled();

  it('is of the files that the contract names', () => {
    expect(files.map(({ name }) => name).toSorted()).toEqual(
      sections.map((section) => heading.exec(section)?.[1]).toSorted(),
    );
  });

  it.each(sections.map((section) => [heading.exec(section)?.[1], section] as const))(
    '%s declares what the contract says, field by field and RPC by RPC',
    (path, section) => {
      const file = files.find(({ name }) => name === path);
      if (file === undefined) throw new Error(`there is no ${String(path)}`);
      const lines = section.split('\n');
      const wanted = lines.filter(
        (line) => /^(- |Service )/.test(line) || /^\| (?!RPC )\w/.test(line),
      );
      expect(wanted.length).toBeGreaterThan(5);
      expect(declared(file)).toEqual(wanted.toSorted());
      expect(file.dependency.toSorted()).toEqual(heading.exec(section)?.[2]?.split(', '));
      expect([file.syntax, file.package, file.options.goPackage]).toEqual([
        'proto3',
        'coreweave.sandbox.v1',
        'github.com/coreweave/sandbox/api/coreweave/sandbox/v1;sandboxv1',
      ]);
    },
  );
});
