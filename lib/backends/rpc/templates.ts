import { defer, ignoreElements, map, type Observable } from 'rxjs';
import { newId } from '../../process/new-id.js';
import { checkBoolean, checkRecord, checkText, requireText } from '../../process/validate.js';
import type { Answer, RpcTransport } from './rpc-transport.js';
import { checkSpec, type SandboxInfo, type SandboxSpec } from '../../sandbox/sandbox-spec.js';
import {
  PartialSandboxSpec,
  type CreateSandboxFromTemplateRequest,
} from '../../wire/generated/coreweave/sandbox/v1/sandbox.js';
import { SandboxTemplate } from '../../wire/generated/coreweave/sandbox/v1/sandbox_template.js';
import type { Timestamp } from '../../wire/generated/google/protobuf/timestamp.js';
import { specMessageOf, specOfPartial } from '../../wire/sandbox-request.js';
import { fromTimestamp } from '../../wire/timestamp.js';
import {
  createSandboxTemplate,
  deleteSandboxTemplate,
  getSandboxTemplate,
  listSandboxTemplates,
  updateSandboxTemplate,
} from './methods.js';
import { allPages } from './all-pages.js';
import { withRetryBudget } from './polling.js';

/** What runs in the sandboxes of a template. */
export interface TemplateContainer extends Pick<SandboxSpec, 'command' | 'env' | 'cwd'> {
  /** The image, for servers that have images. Default: that of the backend. */
  readonly image?: string;
}

/** What the sandboxes of a template shall be; in an override, what of it shall be otherwise. */
export interface TemplateSpec extends Pick<SandboxSpec, 'tags' | 'lifetimeMs' | 'network'> {
  /** An override replaces it as a whole: command, environment, directory and image. */
  readonly container?: TemplateContainer;
}

/** What is known of a template. */
export interface TemplateInfo {
  readonly id: string;
  /** What it is called by; no other template of the organization is. */
  readonly name: string;
  /** Counts its changes, from 1. */
  readonly revision: number;
  /** What this library has words for; a template of another client may say more. */
  readonly spec: TemplateSpec;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** When it was deleted; absent: it was not. */
  readonly deletedAtMs?: number;
}

/** A change of a template: what is absent stays as it is. */
export interface TemplateChange {
  readonly name?: string;
  /** Replaces the whole spec, also what this library has no words for. */
  readonly spec?: TemplateSpec;
}

/** Whether to tell of deleted templates too, which admins may see. Default `false`. */
export interface TemplateView {
  readonly deleted?: boolean;
}

/**
 * Specs that a server keeps, to make sandboxes of. Everything is a cold Observable: nothing happens before it is
 * subscribed to, and each subscription does it again. Bad arguments are refused at once, with a
 * {@link SandboxValidationError}; a template that is not there is a {@link SandboxNotFoundError}, and to write without
 * being allowed to, `ERR_PERMISSION`.
 *
 * @example
 * ```ts
 * import { concatMap } from 'rxjs';
 * import { SandboxClient } from 'sandbox-rx';
 * import { grpcBackend } from 'sandbox-rx/node';
 *
 * const backend = grpcBackend({ url: 'http://localhost:50051' });
 * const client = new SandboxClient(backend);
 * backend.templates
 *   .create('python', { container: { env: { PYTHONUNBUFFERED: '1' } }, lifetimeMs: 3_600_000 })
 *   .pipe(
 *     concatMap(({ id }) => backend.templates.createSandbox(id, { tags: ['demo'] })),
 *     concatMap(({ id }) => client.get(id)),
 *     concatMap((sandbox) => sandbox.run$(['python3', '-c', 'print(6 * 7)'])),
 *   )
 *   .subscribe(({ stdout }) => console.log(stdout));
 * ```
 */
export interface Templates {
  /** Makes a template, and emits it. */
  create(name: string, spec: TemplateSpec): Observable<TemplateInfo>;
  /** Emits the template of this id or name. */
  get(idOrName: string, view?: TemplateView): Observable<TemplateInfo>;
  /** Emits the templates there are, all pages of them, and completes. */
  list(view?: TemplateView): Observable<TemplateInfo>;
  /** Changes a template, and emits it. */
  update(id: string, change: TemplateChange): Observable<TemplateInfo>;
  /** Deletes a template, and completes. Sandboxes that were made of it stay. */
  delete(id: string): Observable<never>;
  /**
   * Makes a sandbox, and emits it when it is running; unsubscribing before that undoes it. What `overrides` holds
   * replaces what the template says; tags and variables are not joined.
   */
  createSandbox(id: string, overrides?: TemplateSpec): Observable<SandboxInfo>;
}

/** What templates need of their backend. */
export interface TemplatesConfig {
  readonly timeoutMs: number;
  readonly retryBudgetMs: number;
  /** The image of containers that name none. */
  readonly image: string;
  /** Makes a sandbox by this call, with a request for each subscription. */
  readonly make: (request: () => CreateSandboxFromTemplateRequest) => Observable<SandboxInfo>;
}

/** The templates of the server behind a transport. */
export class RpcTemplates implements Templates {
  readonly #transport: RpcTransport;
  readonly #config: TemplatesConfig;

  constructor(transport: RpcTransport, config: TemplatesConfig) {
    this.#transport = transport;
    this.#config = config;
  }

  create(name: string, spec: TemplateSpec): Observable<TemplateInfo> {
    checkName(name);
    checkTemplateSpec(spec);
    const sandboxTemplate = this.#message({ name, spec });
    return defer(() => {
      const request = { sandboxTemplate, requestId: newId() };
      const create$ = this.#transport.call(createSandboxTemplate, request, this.#options);
      return this.#told(withRetryBudget(create$, this.#config.retryBudgetMs));
    });
  }

  get(sandboxTemplateId: string, view: TemplateView = {}): Observable<TemplateInfo> {
    checkName(sandboxTemplateId);
    const request = { sandboxTemplateId, showDeleted: isDeletedSeen(view) };
    return this.#told(this.#transport.call(getSandboxTemplate, request, this.#options));
  }

  list(view: TemplateView = {}): Observable<TemplateInfo> {
    const request = { pageSize: 0, showDeleted: isDeletedSeen(view) };
    return allPages(
      (pageToken) =>
        this.#transport
          .call(listSandboxTemplates, { ...request, pageToken }, this.#options)
          .pipe(map(({ message }) => message)),
      ({ sandboxTemplates }) => sandboxTemplates,
    ).pipe(map(infoOf));
  }

  update(sandboxTemplateId: string, change: TemplateChange): Observable<TemplateInfo> {
    checkName(sandboxTemplateId);
    checkRecord('change', change);
    if (change.name !== undefined) checkName(change.name);
    if (change.spec !== undefined) checkTemplateSpec(change.spec);
    const updateMask = [
      ...(change.name === undefined ? [] : ['display_name']),
      ...(change.spec === undefined ? [] : ['spec']),
    ];
    // Without a mask, everything is replaced.
    if (updateMask.length === 0) return this.get(sandboxTemplateId);
    const request = { sandboxTemplateId, sandboxTemplate: this.#message(change), updateMask };
    return this.#told(this.#transport.call(updateSandboxTemplate, request, this.#options));
  }

  delete(sandboxTemplateId: string): Observable<never> {
    checkName(sandboxTemplateId);
    return this.#transport
      .call(deleteSandboxTemplate, { sandboxTemplateId }, this.#options)
      .pipe(ignoreElements());
  }

  createSandbox(templateId: string, overrides: TemplateSpec = {}): Observable<SandboxInfo> {
    checkName(templateId);
    checkTemplateSpec(overrides);
    const message = this.#spec(overrides);
    return this.#config.make(() => ({ templateId, overrides: message, requestId: newId() }));
  }

  get #options(): { readonly timeoutMs: number } {
    return { timeoutMs: this.#config.timeoutMs };
  }

  #told(template$: Observable<Answer<SandboxTemplate>>): Observable<TemplateInfo> {
    return template$.pipe(map(({ message }) => infoOf(message)));
  }

  #message({ name: displayName = '', spec }: TemplateChange): SandboxTemplate {
    const message = SandboxTemplate.fromPartial({ displayName });
    if (spec !== undefined) message.spec = this.#spec(spec);
    return message;
  }

  #spec({ container, ...rest }: TemplateSpec): PartialSandboxSpec {
    const { image = this.#config.image, ...run } = container ?? {};
    const { containers, primaryContainer, ...message } = specMessageOf({ ...rest, ...run }, image);
    return PartialSandboxSpec.fromPartial({
      ...message,
      ...(container !== undefined && { containers, primaryContainer }),
    });
  }
}

function infoOf({ spec, ...template }: SandboxTemplate): TemplateInfo {
  const { createTime, updateTime, deleteTime, deleted } = template;
  return {
    id: template.sandboxTemplateId,
    name: template.displayName,
    revision: Number(template.revision),
    spec: specOfTemplate(spec ?? PartialSandboxSpec.create()),
    createdAtMs: millisecondsOf(createTime),
    updatedAtMs: millisecondsOf(updateTime),
    ...(deleted && { deletedAtMs: millisecondsOf(deleteTime) }),
  };
}

function specOfTemplate(message: PartialSandboxSpec): TemplateSpec {
  const { command, env = {}, cwd, tags = [], ...rest } = specOfPartial(message);
  const [container] = message.containers;
  return {
    ...rest,
    ...(tags.length > 0 && { tags }),
    ...(container && {
      container: {
        image: container.image,
        ...(Object.keys(env).length > 0 && { env }),
        ...(command && { command }),
        ...(cwd !== undefined && { cwd }),
      },
    }),
  };
}

function millisecondsOf(time: Timestamp | undefined): number {
  return time === undefined ? 0 : Math.floor(fromTimestamp(time));
}

function checkName(name: string): void {
  requireText('the id or name of a template', name);
}

function checkTemplateSpec(spec: TemplateSpec): void {
  checkRecord('spec', spec);
  const { container = {}, tags, lifetimeMs, network } = spec;
  checkRecord('container', container);
  checkText('image', container.image);
  const { command, env, cwd } = container;
  checkSpec({
    ...(command !== undefined && { command }),
    ...(env !== undefined && { env }),
    ...(cwd !== undefined && { cwd }),
    ...(tags !== undefined && { tags }),
    ...(lifetimeMs !== undefined && { lifetimeMs }),
    ...(network !== undefined && { network }),
  });
}

function isDeletedSeen(view: TemplateView): boolean {
  checkRecord('view', view);
  checkBoolean('deleted', view.deleted);
  return view.deleted ?? false;
}
