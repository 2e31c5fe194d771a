import { EMPTY, filter, fromEvent, map, merge, type Observable } from 'rxjs';

/** What tells events, where a runtime has it. */
interface Telling {
  addEventListener(type: string, listener: (event: unknown) => void): void;
  removeEventListener(type: string, listener: (event: unknown) => void): void;
}

/** What a page has, and a worker or Node has not. */
interface Page extends Partial<Telling> {
  readonly document?: Telling & { readonly visibilityState: string };
}

/** The machine is in a network again, or somebody looks at the page again. In other runtimes: nothing. */
export function comebacks(page: Page = globalThis): Observable<'online' | 'visible'> {
  const { document } = page;
  const online$ = isTelling(page)
    ? fromEvent(page, 'online').pipe(map(() => 'online' as const))
    : EMPTY;
  if (document === undefined) return online$;
  const visible$ = fromEvent(document, 'visibilitychange').pipe(
    filter(() => document.visibilityState === 'visible'),
    map(() => 'visible' as const),
  );
  return merge(online$, visible$);
}

function isTelling(page: Page): page is Page & Telling {
  return page.addEventListener !== undefined;
}
