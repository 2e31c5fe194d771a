import { defer, from, map, type Observable } from 'rxjs';
import { SandboxNotFoundError } from '../process/errors/errors.js';
import { newId } from '../process/new-id.js';
import {
  CreateSandboxRequest,
  PartialSandboxSpec,
  type CreateSandboxFromTemplateRequest,
} from '../wire/generated/coreweave/sandbox/v1/sandbox.js';
import {
  CreateSandboxTemplateRequest,
  SandboxTemplate,
  type DeleteSandboxTemplateRequest,
  type GetSandboxTemplateRequest,
  type ListSandboxTemplatesRequest,
  type ListSandboxTemplatesResponse,
  type UpdateSandboxTemplateRequest,
} from '../wire/generated/coreweave/sandbox/v1/sandbox_template.js';
import type { StoredTemplate } from '../wire/generated/sandboxrx/store/v1/store.js';
import { GrpcCode } from '../wire/grpc-code.js';
import { fromTimestamp, toTimestamp } from '../wire/timestamp.js';
import { badField, checkId } from './bad-field.js';
import type { CallContext } from './call.js';
import { checkSame } from './creations.js';
import { fitted, pageOf } from './pages.js';
import { overlaid, specOfTemplate } from './template-overlay.js';
import type { Table } from './store/table.js';

/** A template is told whole, with what is in its files. */
const maxSpecBytes = 33_554_432;

/** SandboxTemplateService: specs to make sandboxes from. */
export class TemplateService {
  readonly #table: Table<StoredTemplate>;
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(table: Table<StoredTemplate>) {
    this.#table = table;
  }

  /** The same request, made again under one id, gives what it made. */
  create(
    request: CreateSandboxTemplateRequest,
    { caller: owner = '' }: Pick<CallContext, 'caller'>,
  ): Observable<SandboxTemplate> {
    return this.#changed(async () => {
      const before = await this.#madeBy(request, owner);
      if (before !== undefined) return before;
      const { displayName, spec } = checked(request.sandboxTemplate);
      await this.#assertFree(displayName, '');
      const now = toTimestamp(Date.now());
      const template = SandboxTemplate.fromPartial({
        ...{ sandboxTemplateId: newId(), displayName, revision: 1n, createTime: now },
        ...{ updateTime: now, ...(spec && { spec }) },
      });
      return { template, owner, request: request.requestId === '' ? undefined : request };
    });
  }

  get({ sandboxTemplateId, showDeleted }: GetSandboxTemplateRequest): Observable<SandboxTemplate> {
    return defer(() => from(this.#find(sandboxTemplateId, showDeleted))).pipe(
      map(({ template }) => template),
    );
  }

  list(request: ListSandboxTemplatesRequest): Observable<ListSandboxTemplatesResponse> {
    return defer(() => from(this.#all())).pipe(
      map((all) => {
        const templates = all.map(({ template }) => template);
        const sorted = templates.toSorted((a, b) => createdAt(a) - createdAt(b));
        // Deleted ones are kept, so that nobody's number changes.
        const numbers = new Map(sorted.map((one, index) => [one, index + 1]));
        const wanted = sorted.filter(({ deleted }) => request.showDeleted || !deleted);
        const numberOf = (one: SandboxTemplate): number => numbers.get(one) ?? 0;
        const sizeOf = (one: SandboxTemplate): number =>
          SandboxTemplate.encode(one).finish().length;
        const page = pageOf(wanted, request, numberOf);
        const { items, nextPageToken } = fitted(page, sizeOf, numberOf);
        return { sandboxTemplates: [...items], nextPageToken };
      }),
    );
  }

  /** Without a mask, or with `*`, everything that can be changed is replaced. */
  update(request: UpdateSandboxTemplateRequest): Observable<SandboxTemplate> {
    return this.#changed(async () => {
      const stored = await this.#find(request.sandboxTemplateId, false);
      const before = stored.template;
      const paths = request.updateMask ?? ['*'];
      const { displayName, spec } = masked(before, { paths, change: request.sandboxTemplate });
      await this.#assertFree(displayName, before.sandboxTemplateId);
      const updateTime = toTimestamp(Date.now());
      const revision = before.revision + 1n;
      return { ...stored, template: { ...before, displayName, spec, revision, updateTime } };
    });
  }

  /** A deleted template is kept, and is no longer found by those who do not ask for such. */
  delete({ sandboxTemplateId }: DeleteSandboxTemplateRequest): Observable<object> {
    return this.#changed(async () => {
      const { template, ...stored } = await this.#find(sandboxTemplateId, false);
      const deleteTime = toTimestamp(Date.now());
      return { ...stored, template: { ...template, deleted: true, deleteTime } };
    }).pipe(map(() => ({})));
  }

  /** The request that a template and what is asked for on top of it make. */
  resolve({
    templateId,
    overrides = PartialSandboxSpec.create(),
    requestId,
  }: CreateSandboxFromTemplateRequest): Observable<CreateSandboxRequest> {
    return defer(() => from(this.#find(templateId, false))).pipe(
      map(({ template: { sandboxTemplateId, revision, spec } }) =>
        CreateSandboxRequest.fromPartial({
          requestId,
          sandbox: {
            spec: specOfTemplate(overlaid(spec ?? PartialSandboxSpec.create(), overrides)),
            sourceTemplateId: sandboxTemplateId,
            sourceTemplateRevision: revision,
          },
        }),
      ),
    );
  }

  /** One change after another: what one looks at, such as which names are taken, no other changes meanwhile. */
  #changed(change: () => Promise<Known>): Observable<SandboxTemplate> {
    const changing = async (): Promise<SandboxTemplate> => {
      const known = await change();
      await this.#table.put(known.template.sandboxTemplateId, known);
      return known.template;
    };
    return defer(() => {
      const changed = this.#lastChange.then(changing, changing);
      this.#lastChange = changed;
      return changed;
    });
  }

  async #all(): Promise<readonly Known[]> {
    const all = await this.#table.all();
    return all.map(({ template = SandboxTemplate.create(), ...stored }) => ({
      ...stored,
      template,
    }));
  }

  /** What a request with this id made for this caller. @throws SandboxValidationError where that was another request */
  async #madeBy(request: CreateSandboxTemplateRequest, owner: string): Promise<Known | undefined> {
    const { requestId } = request;
    checkId('request_id', requestId);
    if (requestId === '') return undefined;
    const codec = CreateSandboxTemplateRequest;
    for (const known of await this.#all()) {
      if (known.owner !== owner || known.request?.requestId !== requestId) continue;
      checkSame(codec.encode(known.request).finish(), codec.encode(request).finish());
      return known;
    }
    return undefined;
  }

  /** By its id or by its name. */
  async #find(wanted: string, showDeleted: boolean): Promise<Known> {
    const found = (await this.#all()).find(
      ({ template: { sandboxTemplateId, displayName, deleted } }) =>
        (showDeleted || !deleted) && (sandboxTemplateId === wanted || displayName === wanted),
    );
    if (found !== undefined) return found;
    throw new SandboxNotFoundError(`there is no template ${wanted}`, {
      remote: { grpcCode: GrpcCode.NOT_FOUND, reason: 'CWSANDBOX_TEMPLATE_NOT_FOUND' },
    });
  }

  async #assertFree(displayName: string, exceptId: string): Promise<void> {
    const taken = (await this.#all()).some(
      ({ template: one }) =>
        !one.deleted &&
        one.sandboxTemplateId !== exceptId &&
        // Either finds it.
        [one.displayName, one.sandboxTemplateId].includes(displayName),
    );
    if (!taken) return;
    const text = `there is a template ${displayName} already`;
    throw badField('sandbox_template.display_name', text);
  }
}

/** What is written down of a template. */
type Known = StoredTemplate & { readonly template: SandboxTemplate };

function checked(template: SandboxTemplate | undefined): SandboxTemplate {
  if (template === undefined || template.displayName === '') {
    throw badField('sandbox_template.display_name', 'give one');
  }
  checkId('sandbox_template.display_name', template.displayName);
  const { spec } = template;
  if (spec !== undefined && PartialSandboxSpec.encode(spec).finish().length > maxSpecBytes) {
    throw badField('sandbox_template.spec', `it is larger than ${maxSpecBytes} bytes`);
  }
  return template;
}

/** A template with the changes that a mask names. */
function masked(
  before: SandboxTemplate,
  {
    paths,
    change,
  }: { readonly paths: readonly string[]; readonly change: SandboxTemplate | undefined },
): SandboxTemplate {
  const isWhole = paths.length === 0 || paths.includes('*');
  const unknown = paths.find((path) => !['*', 'display_name', 'spec'].includes(path));
  if (unknown !== undefined) {
    throw badField('update_mask', `${unknown} cannot be changed`);
  }
  const wants = (path: string): boolean => isWhole || paths.includes(path);
  return checked({
    ...before,
    displayName: wants('display_name') ? (change?.displayName ?? '') : before.displayName,
    spec: wants('spec') ? change?.spec : before.spec,
  });
}

function createdAt({ createTime }: SandboxTemplate): number {
  return createTime === undefined ? 0 : fromTimestamp(createTime);
}
