import { concatMap, defer, EMPTY, expand, throwError, type Observable } from 'rxjs';
import { SandboxError } from '../../process/errors/sandbox-error.js';

/** A list that goes on for longer is one that never ends. */
const maxPages = 1000;

/** All items of a list, page by page; `page` asks for one by the token that the one before gave. */
export function allPages<Page extends { readonly nextPageToken: string }, T>(
  page: (pageToken: string) => Observable<Page>,
  itemsOf: (page: Page) => readonly T[],
): Observable<T> {
  return defer(() => {
    const seen: Set<string> = new Set();
    return page('').pipe(
      expand(({ nextPageToken: token }) => {
        if (token === '') return EMPTY;
        if (seen.has(token) || seen.size >= maxPages) return throwError(() => endless());
        seen.add(token);
        return page(token);
      }),
      concatMap(itemsOf),
    );
  });
}

function endless(): SandboxError {
  return new SandboxError('ERR_REMOTE', 'the server told a list without end');
}
