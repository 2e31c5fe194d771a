import { badField } from './bad-field.js';

const defaultSize = 100;
const maxSize = 1000;

/** Any client takes an answer of as many bytes. A single item may be larger. */
const maxPageBytes = 2_097_152;

/** What is asked of a list. */
interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

/** One page of a list whose items are in the order of their numbers. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string;
}

/**
 * Cuts a list into pages. The token is the number of the last item that was told, so that one that comes or goes between
 * two pages shifts no other.
 */
export function pageOf<T>(
  all: readonly T[],
  { pageSize, pageToken }: PageRequest,
  numberOf: (item: T) => number,
): Page<T> {
  if (pageSize < 0) throw badField('page_size', 'it must not be negative');
  if (!/^\d*$/.test(pageToken)) {
    throw badField('page_token', 'give the next_page_token of the page before');
  }
  const after = Number(pageToken);
  const rest = all.filter((item) => numberOf(item) > after);
  const items = rest.slice(0, Math.min(pageSize || defaultSize, maxSize));
  const last = items.at(-1);
  const isLastPage = items.length === rest.length || last === undefined;
  return { items, nextPageToken: isLastPage ? '' : String(numberOf(last)) };
}

/** The same page, ended earlier where the answer would become too large to be taken. */
export function fitted<T>(
  { items, nextPageToken }: Page<T>,
  sizeOf: (item: T) => number,
  numberOf: (item: T) => number,
): Page<T> {
  let bytes = 0;
  const tooMany = items.findIndex((item, index) => {
    bytes += sizeOf(item);
    return index > 0 && bytes > maxPageBytes;
  });
  const last = items[tooMany - 1];
  if (last === undefined) return { items, nextPageToken };
  return { items: items.slice(0, tooMany), nextPageToken: String(numberOf(last)) };
}
