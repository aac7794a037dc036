"""What generated TypeScript stands on, as text: no package, and of the platform only `fetch` and `setTimeout`."""

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

interface Answer {
  readonly rows: readonly (readonly unknown[])[];
  readonly position: number;
  readonly problems?: readonly Problem[];
}

interface Body {
  readonly data?: { readonly answer: Answer } | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

export interface HttpOptions {
  readonly tenant?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly milliseconds?: number;
}

/**
 * Asks a server about one tenant, through `memql` and `curate` of its GraphQL. A live query is asked again every
 * `milliseconds`, and its rows are told anew, as a snapshot, when they are others.
 */
export class Http implements LiveExecutor, WritingExecutor {
  private readonly url: string;
  private readonly headers: { [name: string]: string };
  private readonly milliseconds: number;

  constructor(url: string, options: HttpOptions = {}) {
    this.url = url.replace(/\\/+$/, "").replace(/\\/graphql$/, "") + "/graphql";
    const tenant = options.tenant === undefined ? {} : { "x-memql-tenant": options.tenant };
    this.headers = { "content-type": "application/json", ...tenant, ...options.headers };
    this.milliseconds = options.milliseconds ?? 1000;
  }

  async rows(query: string, params: Params): Promise<readonly (readonly unknown[])[]> {
    return (await this.asked(DOCUMENT, { query, params })).rows;
  }

  async write(query: string, params: Params, options: WriteOptions): Promise<readonly (readonly unknown[])[]> {
    return (await this.asked(WRITING, { query, params, key: options.idempotencyKey })).rows;
  }

  async *live(query: string, params: Params): AsyncGenerator<Change<readonly unknown[]>> {
    let last: string | null = null;
    for (;;) {
      const { rows, position } = await this.asked(DOCUMENT, { query, params });
      const told = JSON.stringify(rows);
      if (told !== last) {
        last = told;
        yield { is: "snapshot", cursor: String(position), rows: keyed(rows) };
      }
      await new Promise((resolve) => setTimeout(resolve, this.milliseconds));
    }
  }

  private async asked(document: string, variables: Params): Promise<Answer> {
    const body = JSON.stringify({ query: document, variables });
    const response = await fetch(this.url, { method: "POST", headers: this.headers, body });
    const answered = (await response.json().catch(() => null)) as Body | null;
    if (answered?.errors?.length) {
      throw new Refused(
        answered.errors.map((each) => ({ ...each, code: each.extensions?.code ?? "REFUSED", hint: null })),
      );
    }
    const answer = answered?.data?.answer;
    if (!answer) {
      throw new Refused([{ code: "NOT_MEMQL", message: `what answers at ${this.url} is no MemQL`, hint: null }]);
    }
    if (answer.problems) throw new Refused(answer.problems);
    return answer;
  }
}

/** Each row under what it says, and those that say the same under that and a number. */
function keyed(rows: readonly (readonly unknown[])[]): readonly Keyed<readonly unknown[]>[] {
  const met = new Map<string, number>();
  return rows.map((row, place) => {
    const said = JSON.stringify(row);
    const number = (met.get(said) ?? 0) + 1;
    met.set(said, number);
    return { key: number > 1 ? `${said}.${number}` : said, row, place };
  });
}
"""
