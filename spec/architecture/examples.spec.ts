import { describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { filesBelow, read, root } from '../support/repository.js';

interface Example {
  /** Where it stands. */
  readonly name: string;
  readonly code: string;
}

function fences(path: string, text: string): Example[] {
  return [...text.matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```/gm)].map(
    ([fence, code = ''], i) => {
      const line = text.slice(0, text.indexOf(fence)).split('\n').length;
      return { name: `${path}:${String(line)} (#${String(i + 1)})`, code };
    },
  );
}

/** The text of the doc comments alone, line for line where it was. */
function docComments(source: string): string {
  let inside = false;
  const uncovered = (line: string): string => {
    inside ||= /^\s*\/\*\*/.test(line);
    const text = inside ? line.replace(/^\s*(?:\/\*\*|\*(?!\/)) ?/, '') : '';
    if (line.includes('*/')) inside = false;
    return text;
  };
  return source.split('\n').map(uncovered).join('\n');
}

const documents = ['README.md', ...filesBelow('lib'), ...filesBelow('spec')].filter(
  (path) => existsSync(join(root, path)) && /\.md$|^lib\/.*\.ts$/.test(path),
);
const examples = documents.flatMap((path) => {
  const text = read(path);
  return fences(path, path.endsWith('.md') ? text : docComments(text));
});

/** What an example that wants Node imports; all others are compiled as in a browser, without Node's types. */
const node = /from '(?:sandbox-rx\/(?:node|host)|node:[^']*)'/;

/** Compiles examples in one program, each as a module of a user who has installed the package. */
function diagnostics(all: readonly Example[], types: readonly string[]): string[] {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, 'tsconfig.json'),
    { noEmit: true, isolatedDeclarations: false, declaration: false, types: [...types] },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined },
  );
  const options = { ...config?.options, noUnusedLocals: false, skipLibCheck: true };
  const files = new Map(
    all.map(({ code }, i) => [join(root, `spec/example-${String(i)}.ts`), code]),
  );
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => files.has(path) || fileExists.call(host, path);
  host.getSourceFile = (path, target, ...rest) => {
    const code = files.get(path);
    if (code !== undefined) return ts.createSourceFile(path, code, target);
    return getSourceFile.call(host, path, target, ...rest);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].flatMap((path, i) => {
    const file = program.getSourceFile(path);
    const found = [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ];
    return found.map(({ messageText }) => {
      return `${all[i]?.name ?? path}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
}

describe('the examples of the documentation', () => {
  it('are found', () => {
    expect(examples.length).toBeGreaterThan(10);
    expect(examples.some(({ name }) => name.startsWith('lib/process/process.ts'))).toBe(true);
  });

  it('import by the name of the package', () => {
    const without = examples.filter(({ code }) => !/from '(sandbox-rx|rxjs)/.test(code));
    expect(without.map(({ name }) => name)).toEqual([]);
  });

  it('compile without the types of Node, unless they import it', () => {
    const portable = examples.filter(
      ({ code }) => !node.test(code) && !code.includes('sandbox-rx/testing'),
    );
    expect(diagnostics(portable, [])).toEqual([]);
  });

  it('compile in Node', () => {
    expect(diagnostics(examples, ['node'])).toEqual([]);
  });

  it('are refused where they are wrong', () => {
    const wrong = { name: 'wrong', code: "import { Process } from 'sandbox-rx';\nnew Process(1);" };
    const nodeless = { name: 'nodeless', code: "import 'sandbox-rx';\nBuffer.alloc(1);" };
    expect(diagnostics([wrong, nodeless], [])).toEqual([
      expect.stringMatching(/^wrong: Expected 2-3 arguments/),
      expect.stringMatching(/^nodeless: Cannot find name 'Buffer'/),
    ]);
  });
});
