"""How a generated TypeScript client asks, asks again, and goes on where a stream broke off, as text: no package, and
of the platform `fetch`, streams and timers."""

TRANSPORT = """/** How the client beside this asks: over HTTP, again where that is safe, on where a stream broke off. */

import { ClientError, CutOff, Events, NotMemql, NotReached, TimedOut, Unauthenticated } from "./answers.js";
import { checked, parsed, told } from "./answers.js";

/** An operation. Without a text it is asked for by its id, which the server knows from `documents.json`. */
export interface Sent {
  readonly name: string;
  readonly id: string;
  readonly text: string | null;
  /** Where keys of idempotency are among the variables; `*` is each of a list. */
  readonly keys?: readonly (readonly string[])[];
  /** Whether asking twice does no more than asking once. */
  readonly repeatable: boolean;
  /**
   * The variable that takes the cursor where a stream goes on, the field that has it, and the type of message by which
   * the server says that it ends though there will be more, and where to go on.
   */
  readonly resume?: { readonly variable: string; readonly field: string; readonly ends?: string };
}

/** An operation with the types of what it gives and takes. */
export interface TypedDocument<Data, Variables> extends Sent {
  /** Never there: it only carries the types. */
  readonly types?: (variables: Variables) => Data;
}

/**
 * How often what failed is asked again: at first after half of `first` to all of it, in milliseconds, twice as long
 * each time, never longer than `most`. A stream is taken up again `reconnects` times in a row. A server that wants to
 * be left alone for longer than `patience` is not waited for. `chance` gives numbers from 0 to 1.
 */
export interface Retries {
  readonly times: number;
  readonly reconnects: number;
  readonly first: number;
  readonly most: number;
  readonly patience: number;
  readonly chance: () => number;
}

const RETRIES: Retries = {
  times: 4,
  reconnects: 30,
  first: 250,
  most: 10_000,
  patience: 60_000,
  chance: Math.random,
};

export interface ClientOptions {
  /** An API key or a token, or what gives one: it is asked for another when the server says that one is over. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  readonly tenant?: string | undefined;
  readonly headers?: { readonly [name: string]: string } | undefined;
  /** How many milliseconds an answer may take. */
  readonly timeout?: number | undefined;
  /** For how many milliseconds a stream may say nothing before it is taken for dead. */
  readonly silence?: number | undefined;
  readonly retries?: Partial<Retries> | undefined;
  /** Makes the keys under which a change is made once, however often it is asked. */
  readonly newKey?: (() => string) | undefined;
  readonly fetch?: typeof fetch | undefined;
}

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
}

type Fields = { [name: string]: unknown };

/** Asks one server about one tenant. */
export class Asking {
  private readonly url: string;
  private readonly options: ClientOptions;
  private readonly retries: Retries;
  private current: string | null = null;

  constructor(url: string, options: ClientOptions = {}) {
    this.url = url.replace(/\\/+$/, "").replace(/\\/graphql$/, "") + "/graphql";
    this.options = options;
    this.retries = { ...RETRIES, ...options.retries };
  }

  async ask<D, V>(document: TypedDocument<D, V>, variables: V, options: AskOptions = {}): Promise<D> {
    const body = bodyOf(document, keyed(document, variables, this.options.newKey ?? newKey));
    let renewed = false;
    for (let tried = 0; ; ) {
      const stop = new Stop(options.signal);
      stop.in(this.options.timeout ?? 60_000);
      let failure: ClientError;
      try {
        const response = await this.post(body, "application/graphql-response+json, application/json;q=0.9", stop);
        return (await told(response, this.url)) as D;
      } catch (error) {
        failure = stop.told(error, this.url, true);
      } finally {
        stop.over();
      }
      if (this.renews(failure, renewed)) {
        renewed = true;
        continue;
      }
      // A change whose answer was lost may have been made: without a key it is not asked for again.
      const again = failure.neverAsked || (document.repeatable && failure.passing);
      if (!again || tried === this.retries.times || failure.wait > this.retries.patience) throw failure;
      await this.pause(tried++, failure.wait, options.signal);
    }
  }

  async *live<D, V>(document: TypedDocument<D, V>, variables: V, options: AskOptions = {}): AsyncGenerator<D, void> {
    const given = keyed(document, variables, () => "");
    let [renewed, begun] = [false, false];
    for (let tried = 0; ; ) {
      const stop = new Stop(options.signal);
      stop.in(this.options.timeout ?? 60_000);
      let failure: ClientError;
      try {
        const response = await this.post(bodyOf(document, given), "text/event-stream", stop);
        if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body) {
          await told(response, this.url);
          throw new NotMemql(`${this.url} answers a subscription with something that is no stream`);
        }
        begun = true;
        const events = new Events();
        const reader = response.body.getReader();
        for (;;) {
          stop.in(this.options.silence ?? 60_000);
          const { done, value } = await reader.read();
          if (done) break;
          for (const [event, data] of events.of(value)) {
            if (event === "complete") return;
            if (event !== "next") continue;
            const message = checked(parsed(data, this.url), response.status, null) as Fields;
            if (resumed(document, given, message)) throw new CutOff(`${this.url} ended the stream before its end`);
            [tried, renewed] = [0, false];
            // Whoever takes their time with a message is no reason to call the stream dead.
            stop.rest();
            yield message as D;
            stop.in(this.options.silence ?? 60_000);
          }
        }
        throw new CutOff(`${this.url} ended the stream before its end`);
      } catch (error) {
        failure = stop.told(error, this.url, false);
      } finally {
        stop.over();
      }
      // What can't go on where it broke off would miss something, and not know what.
      if (begun && !document.resume) throw failure;
      if (this.renews(failure, renewed)) {
        renewed = true;
        continue;
      }
      const again = failure.passing && tried < this.retries.reconnects && failure.wait <= this.retries.patience;
      if (!again) throw failure;
      await this.pause(tried++, failure.wait, options.signal);
    }
  }

  private async post(body: string, accept: string, stop: Stop): Promise<Response> {
    const { token, tenant, headers } = this.options;
    this.current ??= typeof token === "function" ? await token() : (token ?? null);
    const given: { [name: string]: string } = { "content-type": "application/json", ...headers, accept };
    if (tenant !== undefined) given["x-memql-tenant"] = tenant;
    if (this.current !== null) given["authorization"] = `Bearer ${this.current}`;
    const asks = this.options.fetch ?? fetch;
    return asks(this.url, { method: "POST", headers: given, body, signal: stop.signal });
  }

  /** Whether another token may do where this one did not. */
  private renews(failure: ClientError, already: boolean): boolean {
    if (already || !(failure instanceof Unauthenticated) || typeof this.options.token !== "function") return false;
    this.current = null;
    return true;
  }

  private async pause(tried: number, wait: number, signal: AbortSignal | undefined): Promise<void> {
    const grown = Math.min(this.retries.most, this.retries.first * 2 ** Math.min(tried, 30));
    const milliseconds = Math.max(wait, grown * (0.5 + this.retries.chance() / 2));
    await new Promise<void>((resolve, reject) => {
      const left = () => (clearTimeout(timer), reject(signal?.reason));
      const timer = setTimeout(() => (signal?.removeEventListener("abort", left), resolve()), milliseconds);
      if (signal?.aborted) left();
      else signal?.addEventListener("abort", left, { once: true });
    });
  }
}

/** Ends a request: when its time is over, or when whoever asked wants no answer any more. */
class Stop {
  private readonly controller = new AbortController();
  private readonly asked: AbortSignal | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private late = false;
  private readonly left = () => this.controller.abort(this.asked?.reason);

  constructor(asked: AbortSignal | undefined) {
    this.asked = asked;
    if (asked?.aborted) this.left();
    else asked?.addEventListener("abort", this.left, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  in(milliseconds: number): void {
    this.rest();
    this.timer = setTimeout(() => {
      this.late = true;
      this.controller.abort();
    }, milliseconds);
  }

  rest(): void {
    clearTimeout(this.timer);
  }

  over(): void {
    this.rest();
    this.asked?.removeEventListener("abort", this.left);
    this.controller.abort();
  }

  /**
   * What went wrong as one of ours. Who waits for one answer asks a server that is slow no second time: it would be
   * slower still; a stream that falls silent is dead.
   */
  told(error: unknown, url: string, waiting: boolean): ClientError {
    if (this.asked?.aborted) throw this.asked.reason;
    if (error instanceof ClientError) return error;
    if (this.late) return waiting ? new TimedOut(`${url} gave no answer in time`) : new CutOff(`${url} fell silent`);
    const cause = (error as { cause?: { code?: string } } | null)?.cause;
    if (cause?.code === "ECONNREFUSED") return new NotReached(`nobody answers at ${url}`);
    if (error instanceof TypeError) return new CutOff(`${url} broke off before its answer`);
    throw error;
  }
}

// What is asked

function bodyOf(document: Sent, variables: Fields): string {
  const asked = document.text === null ? { documentId: document.id } : { query: document.text };
  return JSON.stringify({ ...asked, operationName: document.name, variables });
}

/** The variables as JSON has them, with a key wherever none was given. */
function keyed(document: Sent, variables: unknown, newKey: () => string): Fields {
  const made = JSON.parse(JSON.stringify(variables ?? {})) as Fields;
  for (const path of document.keys ?? []) fill(made, path, newKey);
  return made;
}

function fill(value: unknown, path: readonly string[], newKey: () => string): void {
  const [step = "", ...others] = path;
  if (step === "*") {
    if (Array.isArray(value)) for (const each of value) fill(each, others, newKey);
  } else if (typeof value === "object" && value !== null) {
    const fields = value as Fields;
    if (others.length > 0) fill(fields[step], others, newKey);
    else fields[step] ??= newKey();
  }
}

/** Sees to it that a stream goes on behind a message; whether it has to, since the server ends it here. */
function resumed(document: Sent, variables: Fields, message: Fields): boolean {
  if (!document.resume) return false;
  const { variable, field, ends } = document.resume;
  const told = message[field] as Fields | null;
  if (ends !== undefined && told?.["__typename"] === ends) {
    variables[variable] = told["after"];
    return true;
  }
  variables[variable] = told?.["cursor"] ?? variables[variable];
  return false;
}

function newKey(): string {
  // `randomUUID` is kept from pages that came without encryption; this is not.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}
"""
