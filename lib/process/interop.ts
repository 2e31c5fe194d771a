import { observable } from 'rxjs';

/** The key of the method by which RxJS 7, and other libraries, take an object for an Observable. */
// eslint-disable-next-line @typescript-eslint/no-deprecated -- RxJS 7 offers no other name; RxJS 9 will know Symbol.observable
export const interop: string | symbol = observable;
