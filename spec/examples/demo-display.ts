import pc from 'picocolors';

const terminal = process.stderr.isTTY;
const barWidth = 30;
let shownTenth = -1;

/** Results go to standard output; progress goes to standard error, drawn in place on a terminal, as lines elsewhere. */
export const display = {
  heading: (text: string): void => {
    console.log(pc.bold(text));
  },
  line: (text: string): void => {
    console.log(text);
  },
  warn: (text: string): void => {
    console.error(pc.yellow(text));
  },
  progress: (done: number, total: number, note: string): void => {
    if (terminal) drawBar(done, total, note);
    else printTenth(done, total, note);
  },
};

function drawBar(done: number, total: number, note: string): void {
  const filled = Math.round((done / total) * barWidth);
  const bar = pc.green('█'.repeat(filled)) + pc.dim('░'.repeat(barWidth - filled));
  process.stderr.write(`\r  ${bar} ${done}/${total}, ${note}\x1b[K${done >= total ? '\n' : ''}`);
}

function printTenth(done: number, total: number, note: string): void {
  const tenth = Math.floor((done / total) * 10);
  if (tenth === shownTenth) return;
  shownTenth = tenth;
  console.error(`  ${done}/${total}, ${note}`);
}
