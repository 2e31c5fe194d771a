import pc from 'picocolors';
import { write } from './output.js';

/** What is shown of several things of a kind. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Columns with a header for people; for programs, one line for each row with tabs between its cells. */
export function printTable({ header, rows }: Table): Promise<void> {
  const clean = rows.map((row) => row.map(printable));
  const lines = process.stdout.isTTY ? aligned(header, clean) : clean.map((row) => row.join('\t'));
  return write(process.stdout, lines.map((line) => `${line}\n`).join(''));
}

function aligned(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd();
  return [pc.bold(line(header)), ...rows.map(line)];
}

/** Without what would break the line, or move the cursor: words of a sandbox may come from anybody. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ');
}
