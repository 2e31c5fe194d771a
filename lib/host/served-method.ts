import { from, type ObservableInput } from 'rxjs';
import type { Parts } from '../process/bytes.js';
import type { Codec } from '../wire/codec.js';
import type { CallContext, HostStream } from './call.js';
import { bidirectionalInScope, serverStreamingInScope, unaryInScope } from './in-scope.js';

/** A call of a generated service description. */
interface Method<Request, Response> {
  readonly name: string;
  readonly requestType: Codec<Request>;
  readonly responseType: Codec<Response>;
}

/** The same, where a server has it, and what answers it. */
interface AnsweredMethod<Request, Response, Answer> extends Method<Request, Response> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly answer: Answer;
}

/** One request and one answer: the last value of what `answer` gives. */
export type UnaryMethod<Request, Response> = AnsweredMethod<
  Request,
  Response,
  (request: Request, context: CallContext) => ObservableInput<Response>
>;

/** One request and a stream of answers. */
export type ServerStreamingMethod<Request, Response> = AnsweredMethod<
  Request,
  Response,
  (request: Request, stream: HostStream<never, Response>) => void
>;

/** Streams both ways. */
export interface BidirectionalMethod<Request, Response> extends AnsweredMethod<
  Request,
  Response,
  (stream: HostStream<Request, Response>) => void
> {
  /** Reads what comes most, without putting its parts together; gives `undefined` for what is something else. */
  readonly readParts?: ReadParts<Request> | undefined;
}

/** The requests of one message, each of which can stand for itself. */
export type ReadParts<Request> = (message: Parts) => readonly Request[] | undefined;

/** What a transport makes of methods, each of its kind. */
export interface MethodSink<T> {
  unary<Request, Response>(method: UnaryMethod<Request, Response>): T;
  serverStreaming<Request, Response>(method: ServerStreamingMethod<Request, Response>): T;
  bidirectional<Request, Response>(method: BidirectionalMethod<Request, Response>): T;
}

/** A call that a host answers, by whatever transport it comes. */
export interface ServedMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  /** Gives itself to a transport, with the types that it has. */
  into<T>(sink: MethodSink<T>): T;
}

/** A call with one request and one answer: the last value of what `answer` gives. */
export function unary<Request, Response>(
  service: { readonly fullName: string },
  method: Method<Request, Response>,
  answer: UnaryMethod<Request, Response>['answer'],
): ServedMethod {
  const path = pathOf(service, method);
  const answered = { ...method, path, answer: unaryInScope(path, answer) };
  const into = <T>(sink: MethodSink<T>): T => sink.unary(answered);
  return { path, requestStream: false, responseStream: false, into };
}

/** A call with one request and a stream of answers. */
export function serverStreaming<Request, Response>(
  service: { readonly fullName: string },
  method: Method<Request, Response>,
  answer: ServerStreamingMethod<Request, Response>['answer'],
): ServedMethod {
  const path = pathOf(service, method);
  const answered = { ...method, path, answer: serverStreamingInScope(path, answer) };
  const into = <T>(sink: MethodSink<T>): T => sink.serverStreaming(answered);
  return { path, requestStream: false, responseStream: true, into };
}

/** A call with streams both ways. */
export function bidirectional<Request, Response>(
  service: { readonly fullName: string },
  method: Method<Request, Response>,
  { answer, readParts }: Pick<BidirectionalMethod<Request, Response>, 'answer' | 'readParts'>,
): ServedMethod {
  const path = pathOf(service, method);
  const answered = { ...method, path, readParts, answer: bidirectionalInScope(path, answer) };
  const into = <T>(sink: MethodSink<T>): T => sink.bidirectional(answered);
  return { path, requestStream: true, responseStream: true, into };
}

function pathOf(
  { fullName }: { readonly fullName: string },
  { name }: { readonly name: string },
): string {
  return `/${fullName}/${name}`;
}

/** Who is told the one answer, or why there is none. */
export interface OneAnswer<Response> {
  answered(response: Response): void;
  failed(error: unknown): void;
}

/** Answers one request. What that began is ended when `context.signal` says that the caller has gone. */
export function answerOnce<Request, Response>(
  { answer }: Pick<UnaryMethod<Request, Response>, 'answer'>,
  { request, context }: { readonly request: Request; readonly context: CallContext },
  told: OneAnswer<Response>,
): void {
  const { signal } = context;
  let last: Response | undefined;
  const running = from(answer(request, context)).subscribe({
    next: (response) => (last = response),
    error: (error: unknown) => {
      told.failed(error);
    },
    complete: () => {
      if (last === undefined) told.failed(new Error('no answer'));
      else told.answered(last);
    },
  });
  const end = (): void => {
    running.unsubscribe();
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end);
}

/** The full names of the services that have these methods. */
export function servicesOf(methods: readonly ServedMethod[]): readonly string[] {
  return [...new Set(methods.map(({ path }) => path.split('/')[1] ?? ''))];
}
