// One call of the decision service: within its deadline, sent a second time where that is safe, behind the breaker.

import { setTimeout as sleep } from "node:timers/promises";
import { CircuitBreaker } from "./breaker.js";
import { CircuitOpen, DeadlinePassed, RequestRefused, ServiceError, ServiceUnavailable } from "./errors.js";
import type { ClientOptions, Outcome } from "./options.js";
import { isObject, type JsonObject } from "./tags.js";

/** Before a second try that nobody said when to make. */
const PAUSE_MS = 20;

export interface Call {
  operation: string;
  body: string;
  deadlineMs: number;
  /** It may be sent again also when the service may have done it already. */
  repeatable: boolean;
  /** A longer answer is expected than of other calls: so many bytes are read at least. */
  answerBytes?: number;
}

interface Tries {
  made: number;
  status: number;
  restMs: number | null;
}

interface Answer {
  status: number;
  text: string;
  retryAfterMs: number | null;
}

export class Exchange {
  readonly breaker: CircuitBreaker;
  readonly #options: ClientOptions;
  readonly #headers: Record<string, string>;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.breaker = new CircuitBreaker(options.breaker, options.clock);
    this.#headers = { "Content-Type": "application/json", Accept: "application/json", "Accept-Encoding": "identity" };
    if (options.key) this.#headers["Authorization"] = `Bearer ${options.key}`;
  }

  /** The answer's JSON object; throws the errors of errors.ts. */
  async send(call: Call): Promise<JsonObject> {
    const began = this.#options.clock();
    const tries: Tries = { made: 0, status: 0, restMs: null };
    let outcome: Outcome = "ok";
    try {
      return await this.#permitted(call, tries);
    } catch (error) {
      outcome = outcomeOf(error);
      throw error;
    } finally {
      this.#tell(call.operation, outcome, tries, this.#options.clock() - began);
    }
  }

  async #permitted(call: Call, tries: Tries): Promise<JsonObject> {
    const permit = this.breaker.ask();
    if (permit === null) {
      const rests = (this.breaker.restsMs / 1_000).toFixed(1);
      throw new CircuitOpen(`the decision service at ${this.#options.url} has failed: left alone for ${rests} s`);
    }
    let ok = false;
    try {
      const answer = read(await this.#inTime(call, tries), this.#options.url);
      ok = true;
      return answer;
    } catch (error) {
      ok = error instanceof RequestRefused;
      throw error;
    } finally {
      this.breaker.tell(permit, ok);
      if (tries.restMs !== null) this.breaker.rest(Math.min(tries.restMs, this.#options.maxRestMs));
    }
  }

  async #inTime(call: Call, tries: Tries): Promise<Answer> {
    const until = performance.now() + call.deadlineMs;
    const signal = AbortSignal.timeout(call.deadlineMs);
    try {
      return await this.#tried(call, tries, until, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new DeadlinePassed(
        `the decision service at ${this.#options.url} has not answered within ${call.deadlineMs} ms`,
      );
    }
  }

  async #tried(call: Call, tries: Tries, until: number, signal: AbortSignal): Promise<Answer> {
    for (;;) {
      const again = this.#options.retry && tries.made === 0;
      tries.made += 1;
      let pauseMs = PAUSE_MS;
      try {
        const answer = await this.#once(call, until - performance.now(), signal);
        tries.status = answer.status;
        pauseMs = answer.retryAfterMs ?? PAUSE_MS;
        if (answer.status === 429) tries.restMs = answer.retryAfterMs;
        if (answer.status !== 503 || !again || !call.repeatable || performance.now() + pauseMs >= until) return answer;
      } catch (error) {
        if (error instanceof ServiceError || signal.aborted) throw error;
        if (!again || !(call.repeatable || wasNotSent(error))) throw this.#unreached(error);
      }
      await sleep(pauseMs, undefined, { signal });
    }
  }

  async #once(call: Call, leftMs: number, signal: AbortSignal): Promise<Answer> {
    const response = await fetch(`${this.#options.url}/${call.operation}`, {
      method: "POST",
      body: call.body,
      headers: { ...this.#headers, "X-Deadline-Ms": String(Math.max(1, Math.floor(leftMs))) },
      redirect: "manual",
      signal,
    });
    const text = await this.#textOf(response, Math.max(this.#options.maxAnswerBytes, call.answerBytes ?? 0));
    return { status: response.status, text, retryAfterMs: retryAfterMs(response.headers.get("Retry-After")) };
  }

  async #textOf(response: Response, mostBytes: number): Promise<string> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += part.byteLength;
      if (bytes > mostBytes) {
        throw new ServiceError(
          `${this.#options.url} answers more than ${mostBytes} bytes: ` +
            "it is not Rapport's decision service",
        );
      }
      parts.push(part);
    }
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts));
    } catch {
      return "";
    }
  }

  #unreached(error: unknown): ServiceUnavailable {
    return new ServiceUnavailable(`no answer from the decision service at ${this.#options.url}: ${codeOf(error)}`);
  }

  #tell(operation: string, outcome: Outcome, tries: Tries, milliseconds: number): void {
    const { made: attempts, status } = tries;
    try {
      this.#options.onCall({ operation, outcome, status, attempts, milliseconds, circuit: this.breaker.state });
    } catch {
      // A hook that fails may not cost the customer the answer.
    }
  }
}

function read(answer: Answer, url: string): JsonObject {
  const { status } = answer;
  const body = parsed(answer.text);
  // 400 with results: all events were refused, and each is told why.
  if (isObject(body) && (status === 200 || status === 202 || (status === 400 && "results" in body))) return body;
  if (status >= 400 && status < 500) {
    const error = isObject(body) ? body["error"] : undefined;
    if (isObject(error)) {
      const [reason, field, detail] = ["reason", "field", "detail"].map((name) => String(error[name] ?? ""));
      throw new RequestRefused(status, reason ?? "", field ?? "", detail ?? "");
    }
    if (status === 429) throw new RequestRefused(status, "rate_limited", "", "too many requests");
  }
  if (status >= 500) throw new ServiceUnavailable(`the decision service at ${url} answers HTTP ${status}`);
  throw new ServiceError(`what answers at ${url} is not Rapport's decision service: HTTP ${status}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Milliseconds; a date, which the service never sends, is ignored. */
function retryAfterMs(header: string | null): number | null {
  return header && /^[0-9]{1,9}$/.test(header) ? Number(header) * 1_000 : null;
}

/** Whether a connection was never made, so that nothing can have been done. */
function wasNotSent(error: unknown): boolean {
  return ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (isObject(cause) && typeof cause["code"] === "string") return cause["code"];
  return error instanceof Error ? error.name : typeof error;
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof RequestRefused) return error.status === 429 ? "rate_limited" : "refused";
  if (error instanceof DeadlinePassed) return "deadline";
  if (error instanceof CircuitOpen) return "circuit_open";
  return error instanceof ServiceUnavailable ? "unavailable" : "strange";
}
