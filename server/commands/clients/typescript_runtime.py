"""What a generated TypeScript client's answers stand on, as text: no package, and of the platform streams alone."""

ANSWERS = """/**
 * What comes back: the data of an answer, or why there is none.
 *
 *     ClientError
 *     ├─ NotReached         nobody took the connection
 *     ├─ CutOff             it ended before the answer: what was asked may have been done
 *     ├─ TimedOut           no answer in time; the server may still be at it
 *     ├─ NotMemql           what answers is no GraphQL
 *     └─ Refused            errors of GraphQL, each with its code and the request's id
 *        ├─ Unauthenticated nobody is known by that token, or it is over
 *        └─ Busy            too much was asked, or the server can't now; `wait` says for how many milliseconds
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** A time in ISO 8601. It stays text: it has microseconds, and a Date has none. `new Date(text)` makes one. */
export type DateTime = string;

export interface GraphqlError {
  readonly message: string;
  readonly code: string;
  readonly requestId: string;
  readonly path: readonly (string | number)[];
  readonly extensions: { readonly [name: string]: unknown };
}

/** Nothing was answered. */
export class ClientError extends Error {
  /** Whether it is certain that the server was never asked. */
  readonly neverAsked: boolean = false;
  /** Whether asking again may do. */
  readonly passing: boolean = false;
  /** How many milliseconds the server wants to be left alone. */
  readonly wait: number = 0;

  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

export class NotReached extends ClientError {
  override readonly neverAsked = true;
  override readonly passing = true;
}

export class CutOff extends ClientError {
  override readonly passing = true;
}

export class TimedOut extends ClientError {}

export class NotMemql extends ClientError {}

/** `data` is what was answered in spite of the errors. */
export class Refused extends ClientError {
  override readonly wait: number;

  constructor(
    readonly errors: readonly GraphqlError[],
    readonly status: number,
    readonly data: unknown,
    wait: number,
  ) {
    super(errors.map((each) => `${each.code}: ${each.message}`).join("; "));
    this.wait = wait;
  }

  get code(): string {
    return this.errors[0]?.code ?? "REFUSED";
  }

  get requestId(): string {
    return this.errors[0]?.requestId ?? "";
  }
}

export class Unauthenticated extends Refused {}

export class Busy extends Refused {
  override readonly passing = true;
}

/** Codes by which a stream says that its token is over. */
const EXPIRED = new Set(["UNAUTHENTICATED", "TOKEN_EXPIRED", "EXPIRED"]);
/** Codes by which a server says that asking again will do. */
const PASSING = new Set(["SLOW_SUBSCRIBER", "SHUTTING_DOWN", "UNAVAILABLE", "NOT_YET"]);

export async function told(response: Response, url: string): Promise<unknown> {
  const text = await response.text();
  let body: unknown;
  try {
    body = parsed(text, url);
  } catch (error) {
    // What stands before a server may say in its own words that it is not to be had.
    if (![401, 429, 502, 503, 504].includes(response.status)) throw error;
    body = { errors: [{ message: response.statusText, extensions: { code: `HTTP_${response.status}` } }] };
  }
  return checked(body, response.status, response.headers.get("retry-after"));
}

export function parsed(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new NotMemql(`what answers at ${url} is no GraphQL`);
  }
}

interface Told {
  readonly message?: string;
  readonly path?: readonly (string | number)[];
  readonly extensions?: { readonly [name: string]: unknown };
}

/** The data, where there are no errors beside it. */
export function checked(body: unknown, status: number, retryAfter: string | null): unknown {
  const { data, errors } = (body ?? {}) as { data?: unknown; errors?: readonly Told[] };
  if (errors?.length) {
    const made = errors.map((each) => ({
      message: each.message ?? "",
      code: String(each.extensions?.["code"] ?? "REFUSED"),
      requestId: String(each.extensions?.["requestId"] ?? ""),
      path: each.path ?? [],
      extensions: each.extensions ?? {},
    }));
    const wait = milliseconds(retryAfter);
    const expired = status === 401 || made.some((each) => EXPIRED.has(each.code));
    if (expired) throw new Unauthenticated(made, status, data, wait);
    const passing = status === 200 && made.every((each) => PASSING.has(each.code));
    if (passing || [429, 502, 503, 504].includes(status)) throw new Busy(made, status, data, wait);
    throw new Refused(made, status, data, wait);
  }
  if (data === undefined || data === null) throw new NotMemql("what answers gives neither data nor errors");
  return data;
}

/** How long to wait, told in seconds or as the time until when. */
function milliseconds(retryAfter: string | null): number {
  if (retryAfter === null) return 0;
  const seconds = Number(retryAfter);
  const told = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : seconds * 1000;
  return Number.isNaN(told) ? 0 : Math.max(0, told);
}

/** Bytes of a stream as its events, each with its name and its data. */
export class Events {
  private readonly decoder = new TextDecoder();
  private rest = "";
  private event = "";
  private data: string[] = [];

  *of(chunk: Uint8Array): Generator<[string, string]> {
    const lines = (this.rest + this.decoder.decode(chunk, { stream: true })).split("\\n");
    this.rest = lines.pop() ?? "";
    for (const written of lines) {
      const line = written.replace(/\\r$/, "");
      if (line === "") {
        if (this.event !== "" || this.data.length > 0) yield [this.event, this.data.join("\\n")];
        [this.event, this.data] = ["", []];
        continue;
      }
      const [, name, value = ""] = /^([^:]*)(?::[ ]?(.*))?$/su.exec(line) ?? [];
      if (name === "event") this.event = value;
      if (name === "data") this.data.push(value);
    }
  }
}
"""
