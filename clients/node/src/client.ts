// The client of the decision service.

import type { CircuitState } from "./breaker.js";
import { RequestRefused, ServiceError } from "./errors.js";
import { Exchange } from "./exchange.js";
import { complete, type ClientOptions } from "./options.js";
import { tagsOf, type JsonObject, type Tags } from "./tags.js";

/** What is known of a turn; docs/http-api.md has the limits. What is null or undefined is not sent. */
export type SessionData = Readonly<Record<string, unknown>>;

/** A turn of a batch. */
export interface Turn {
  customerId: string;
  sessionData?: SessionData | null;
}

/** What became of a turn of a batch: its decision, or why it was refused. */
export interface TurnResult {
  decision?: JsonObject;
  error?: { field: string; reason: string; detail: string };
}

const SLOW_MS = 2_000;
const BATCH_MS = 5_000;
/** Room for one decision of a batch. */
const DECISION_BYTES = 16_384;

export class RapportClient {
  readonly #options: ClientOptions;
  readonly #exchange: Exchange;

  /** Throws RangeError on an option out of range. */
  constructor(options: Partial<ClientOptions> = {}) {
    this.#options = complete(options);
    this.#exchange = new Exchange(this.#options);
  }

  get circuit(): CircuitState {
    return this.#exchange.breaker.state;
  }

  /**
   * The tags of a decision, over the defaults; the defaults alone when anything fails. Never rejects.
   *
   * An empty customer id is nobody's: the defaults, without a call.
   */
  async getPersonalizationTags(customerId: string, sessionData?: SessionData | null): Promise<Tags> {
    const tags = { ...this.#options.defaults };
    if (!customerId) return tags;
    try {
      return { ...tags, ...tagsOf(await this.decide(customerId, sessionData)) };
    } catch (error) {
      this.#log(error);
      return tags;
    }
  }

  /** The same under the name that it has in Python. */
  get_personalization_tags(customerId: string, sessionData?: SessionData | null): Promise<Tags> {
    return this.getPersonalizationTags(customerId, sessionData);
  }

  /**
   * The decision, as docs/http-api.md describes it; throws the errors of errors.ts.
   *
   * It is sent a second time where the first did not arrive, was cut off or was answered with 503, while there is time:
   * a decision changes nothing, and at worst is logged twice.
   */
  async decide(
    customerId: string,
    sessionData?: SessionData | null,
    { deadlineMs = this.#options.deadlineMs }: { deadlineMs?: number } = {},
  ): Promise<JsonObject> {
    const body = JSON.stringify({ customer_id: customerId, session_data: given(sessionData ?? {}) });
    return this.#exchange.send({ operation: "personalize", body, deadlineMs, repeatable: true });
  }

  /**
   * Decide up to 500 turns in one call; a result for each, in their order. A turn that is refused costs the others
   * nothing. Errors as of `decide`, and sent a second time as there.
   */
  async decideBatch(turns: readonly Turn[], deadlineMs = BATCH_MS): Promise<TurnResult[]> {
    const asked = turns.map((turn) => ({ customer_id: turn.customerId, session_data: given(turn.sessionData ?? {}) }));
    const body = JSON.stringify({ turns: asked });
    const answerBytes = turns.length * DECISION_BYTES;
    const call = { operation: "personalize/batch", body, deadlineMs, repeatable: true, answerBytes };
    const results = (await this.#exchange.send(call))["results"];
    if (!Array.isArray(results) || results.length !== turns.length) {
      throw new ServiceError(`what answers at ${this.#options.url} gives no result for each turn`);
    }
    return results as TurnResult[];
  }

  /**
   * Give events of one topic; the answer says of each whether it was accepted. They are sent a second time only if each
   * has its `event_id`, by which it counts once.
   */
  async sendEvents(topic: string, events: readonly JsonObject[], deadlineMs = SLOW_MS): Promise<JsonObject> {
    const repeatable = events.every((event) => Boolean(event["event_id"]));
    return this.#exchange.send({ operation: "events", body: JSON.stringify({ topic, events }), deadlineMs, repeatable });
  }

  /**
   * Tell what a customer said of an answer (`csat`, `nps`, `resolved`, `decision_id`, …); the event's id. It is sent a
   * second time only with an `idempotency_key`.
   */
  async feedback(customerId: string, said: JsonObject, deadlineMs = SLOW_MS): Promise<string> {
    const body = JSON.stringify({ ...given(said), customer_id: customerId });
    const repeatable = Boolean(said["idempotency_key"]);
    const answer = await this.#exchange.send({ operation: "feedback", body, deadlineMs, repeatable });
    return String(answer["event_id"] ?? "");
  }

  #log(error: unknown): void {
    let said = error instanceof Error ? error.name : typeof error;
    if (error instanceof RequestRefused) said = `refused with ${error.status} ${error.reason} ${error.field}`;
    else if (error instanceof ServiceError) said = error.message;
    try {
      this.#options.onProblem(`no personalization: ${said}`);
    } catch {
      // As for onCall.
    }
  }
}

function given(values: SessionData): JsonObject {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined));
}
