"""What generated TypeScript stands on, as text: no package, and of the platform only `fetch` and what comes with it."""

RUNTIME = """/** What the functions beside this file stand on: who asks, and what is told of rows. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** A time in ISO 8601. It stays text: it has microseconds, and a Date has none. `new Date(text)` makes one. */
export type DateTime = string;

/** A duration in ISO 8601: it may have months. */
export type Duration = string;

export type Params = { readonly [name: string]: unknown };

/** What asks: `Http`, or anything of your own that has this method. Rows have their columns in order. */
export interface Executor {
  rows(query: string, params: Params): Promise<readonly (readonly unknown[])[]>;
}

/** What can also write. Under the same key a statement is carried out once, with the same answer. */
export interface WritingExecutor extends Executor {
  write(query: string, params: Params, options: WriteOptions): Promise<readonly (readonly unknown[])[]>;
}

export interface WriteOptions {
  readonly idempotencyKey?: string;
}

/** What can also be told how rows change: first all rows, then what is different. */
export interface LiveExecutor extends Executor {
  live(query: string, params: Params): AsyncIterable<Change<readonly unknown[]>>;
}

/** A row under the key by which it is known again; `place` is where it stands, if the query sorts. */
export interface Keyed<T> {
  readonly key: string;
  readonly row: T;
  readonly place: number | null;
}

export interface Snapshot<T> {
  readonly is: "snapshot";
  readonly cursor: string;
  readonly rows: readonly Keyed<T>[];
}

export interface Delta<T> {
  readonly is: "delta";
  readonly cursor: string;
  readonly added: readonly Keyed<T>[];
  readonly changed: readonly Keyed<T>[];
  readonly removed: readonly string[];
}

export type Change<T> = Snapshot<T> | Delta<T>;

/** A node of no particular kind: what it says stands beside its id and kind. */
export interface Node {
  readonly id: string;
  readonly kind: string;
  readonly labels?: readonly string[];
  readonly [name: string]: Json | undefined;
}

/** A relation of no particular kind; `source` and `target` are the ids of what it joins. */
export interface Relation {
  readonly id: string;
  readonly kind: string;
  readonly source: string;
  readonly target: string;
  readonly weight: number;
  readonly [name: string]: Json | undefined;
}

export interface Path {
  readonly nodes: readonly Node[];
  readonly relations: readonly Relation[];
}

export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly rendered?: string;
}

/** Nothing was answered; `problems` say why. */
export class Refused extends Error {
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map((each) => each.rendered ?? `${each.code}: ${each.message}`).join("\\n"));
    this.name = "Refused";
  }
}

/** An answer that is not what the query gave when these functions were made: make them again. */
export class Unexpected extends Error {}

export function only<T>(rows: readonly T[]): T {
  const row = first(rows);
  if (row === null) throw new Unexpected("no row, where there is always one");
  return row;
}

export function first<T>(rows: readonly T[]): T | null {
  if (rows.length > 1) throw new Unexpected(`${rows.length} rows, where there is at most one`);
  return rows[0] ?? null;
}

export async function* changes<T, U>(told: AsyncIterable<Change<T>>, read: (row: T) => U): AsyncGenerator<Change<U>> {
  const each = (keyed: Keyed<T>): Keyed<U> => ({ ...keyed, row: read(keyed.row) });
  for await (const change of told) {
    if (change.is === "snapshot") yield { ...change, rows: change.rows.map(each) };
    else yield { ...change, added: change.added.map(each), changed: change.changed.map(each) };
  }
}

const ANSWER = `{
  ... on MemqlResult { rows position }
  ... on MemqlError { problems { code message hint rendered } }
  ... on Error { problems { code message hint } }
}`;
const DOCUMENT = `query ($query: String!, $params: JSON) { answer: memql(query: $query, params: $params) ${ANSWER} }`;
const WRITING = `mutation ($query: String!, $params: JSON, $key: String) {
  answer: curate(input: {statement: $query, params: $params, idempotencyKey: $key}) ${ANSWER}
}`;
const LIVE = `subscription ($query: String!, $params: JSON, $after: String) {
  answer: memqlLive(query: $query, params: $params, after: $after) {
    ... on LiveSnapshot { cursor rows { key row place } }
    ... on LiveDelta { cursor added { key row place } changed { key row place } removed }
    ... on ResumeAfter { after }
    ... on MemqlError { problems { code message hint rendered } }
    ... on Error { problems { code message hint } }
  }
}`;

/** Milliseconds after which a connection is taken for broken: a server says something more often. */
const SILENCE = 60_000;

/** Milliseconds before it is tried again, twice as long each time that nothing was told. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [100, 10_000];

interface Answer {
  readonly rows: readonly (readonly unknown[])[];
  readonly problems?: readonly Problem[];
}

type Row = Keyed<readonly unknown[]>;

/** A snapshot has `rows`, a delta what is different; where to go on, if neither. */
interface Told {
  readonly cursor?: string;
  readonly after?: string | null;
  readonly rows?: readonly Row[];
  readonly added?: readonly Row[];
  readonly changed?: readonly Row[];
  readonly removed?: readonly string[];
  readonly problems?: readonly Problem[];
}

interface Body {
  readonly data?: { readonly answer: Answer | Told } | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

export interface HttpOptions {
  readonly tenant?: string;
  readonly headers?: { readonly [name: string]: string };
}

/**
 * Asks a server about one tenant, through its `memql`, `curate` and `memqlLive`. What is told of a live query goes on
 * where it was when the connection breaks, however often.
 */
export class Http implements LiveExecutor, WritingExecutor {
  private readonly url: string;
  private readonly headers: { [name: string]: string };

  constructor(url: string, options: HttpOptions = {}) {
    this.url = url.replace(/\\/+$/, "").replace(/\\/graphql$/, "") + "/graphql";
    const tenant = options.tenant === undefined ? {} : { "x-memql-tenant": options.tenant };
    this.headers = { "content-type": "application/json", ...tenant, ...options.headers };
  }

  async rows(query: string, params: Params): Promise<readonly (readonly unknown[])[]> {
    return (await this.asked(DOCUMENT, { query, params })).rows;
  }

  async write(query: string, params: Params, options: WriteOptions): Promise<readonly (readonly unknown[])[]> {
    return (await this.asked(WRITING, { query, params, key: options.idempotencyKey })).rows;
  }

  async *live(query: string, params: Params): AsyncGenerator<Change<readonly unknown[]>> {
    let after: string | null = null;
    for (let failures = 0; ; failures += 1) {
      for await (const told of this.told({ query, params, after })) {
        after = told.cursor ?? told.after ?? after;
        failures = 0;
        if (told.cursor !== undefined) yield changed(told, told.cursor);
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(FIRST_PAUSE * 2 ** failures, LONGEST_PAUSE)));
    }
  }

  /** What one connection tells, until it ends or breaks. */
  private async *told(variables: Params): AsyncGenerator<Told> {
    const abort = new AbortController();
    const silence = { timer: setTimeout(() => abort.abort(), SILENCE) };
    const heard = () => {
      clearTimeout(silence.timer);
      silence.timer = setTimeout(() => abort.abort(), SILENCE);
    };
    try {
      const body = JSON.stringify({ query: LIVE, variables });
      const headers = { ...this.headers, accept: "text/event-stream" };
      const asked = fetch(this.url, { method: "POST", headers, body, signal: abort.signal });
      const response = await asked.catch(() => null);
      if (response === null || response.status >= 500) return;
      if (!response.headers.get("content-type")?.includes("text/event-stream")) {
        this.answered(await response.json().catch(() => null));
        return;
      }
      for await (const line of lines(response, heard)) {
        if (line.startsWith("data: {")) yield this.answered(JSON.parse(line.slice("data: ".length))) as Told;
      }
    } finally {
      clearTimeout(silence.timer);
      abort.abort();
    }
  }

  private async asked(document: string, variables: Params): Promise<Answer> {
    const body = JSON.stringify({ query: document, variables });
    const response = await fetch(this.url, { method: "POST", headers: this.headers, body });
    return this.answered(await response.json().catch(() => null)) as Answer;
  }

  private answered(body: Body | null): Answer | Told {
    if (body?.errors?.length) {
      throw new Refused(body.errors.map((each) => ({ ...each, code: each.extensions?.code ?? "REFUSED", hint: null })));
    }
    const answer = body?.data?.answer;
    if (!answer) {
      throw new Refused([{ code: "NOT_MEMQL", message: `what answers at ${this.url} is no MemQL`, hint: null }]);
    }
    if (answer.problems) throw new Refused(answer.problems);
    return answer;
  }
}

function changed(told: Told, cursor: string): Change<readonly unknown[]> {
  if (told.rows) return { is: "snapshot", cursor, rows: told.rows };
  return { is: "delta", cursor, added: told.added ?? [], changed: told.changed ?? [], removed: told.removed ?? [] };
}

/** The lines of a body as they come, until it ends or breaks. */
async function* lines(response: Response, heard: () => void): AsyncGenerator<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const read = await reader?.read().catch(() => null);
    if (!read || read.done) return;
    heard();
    const found = (rest + decoder.decode(read.value, { stream: true })).split("\\n");
    rest = found.pop() ?? "";
    yield* found;
  }
}
"""
