/**
 * A pipeline over two backends: a file is read where it is, and its words are counted where there is room to sort them. Bytes
 * go from one to the other as they are needed, and nothing is stored on the way.
 */
import { map, type Observable } from 'rxjs';
import { check, lines, pipeProcesses, stdout, type Sandbox } from 'sandbox-rx';

export interface WordCount {
  readonly word: string;
  readonly count: number;
}

/** The words of a file in `source`, counted in `worker`, the most frequent first. */
export function countWords(source: Sandbox, worker: Sandbox, path: string): Observable<WordCount> {
  return pipeProcesses(
    { sandbox: source, command: ['cat', path] },
    { sandbox: worker, command: ['tr', '-cs', '[:alpha:]', '\\n'] },
    { sandbox: worker, command: ['sort'] },
    { sandbox: worker, command: ['uniq', '-c'] },
    { sandbox: worker, command: ['sort', '-k1,1nr', '-k2'] },
  )
    .exec$()
    .pipe(check(), stdout(), lines(), map(wordCountOf));
}

function wordCountOf(line: string): WordCount {
  const [count = '', word = ''] = line.trim().split(' ');
  return { word, count: Number(count) };
}
