// What a client is told once, and what it tells of each call.

import { readFileSync } from "node:fs";
import type { BreakerOptions, CircuitState } from "./breaker.js";
import { isScalar, type Scalar } from "./tags.js";

export const DEFAULT_URL = "http://127.0.0.1:8400";

export interface ClientOptions {
  /** The service's address; a path before the operations' own is allowed. */
  url: string;
  /** An API key or a token, "" in development. */
  key: string;
  /** Longest time of a call, all of it: resolving the name, connecting, a second try, the answer. */
  deadlineMs: number;
  /** Whether a call that failed early may be sent a second time. */
  retry: boolean;
  /** What `getPersonalizationTags` gives when there is no answer, and for tags that an answer lacks. */
  defaults: Readonly<Record<string, Scalar>>;
  /** A longer answer is not read. */
  maxAnswerBytes: number;
  /** Longest time that a `Retry-After` keeps the client from asking. */
  maxRestMs: number;
  /** When the service is left alone. */
  breaker: Partial<BreakerOptions>;
  /** Is told of each call, at once: it has to be quick. */
  onCall: (report: CallReport) => void;
  /** Is told why there are no tags, without a word of the customer. */
  onProblem: (message: string) => void;
  /** Milliseconds that only grow, for the breaker and the times that are reported. */
  clock: () => number;
}

export type Outcome = "ok" | "refused" | "rate_limited" | "unavailable" | "deadline" | "strange" | "circuit_open";

/** What became of one call, for metrics and logs; it says nothing of the customer. */
export interface CallReport {
  operation: string;
  outcome: Outcome;
  /** The HTTP status of the last answer; 0: there was none. */
  status: number;
  /** How often it was sent; 0 while the circuit is open. */
  attempts: number;
  milliseconds: number;
  circuit: CircuitState;
}

const DEFAULTS: ClientOptions = {
  url: DEFAULT_URL,
  key: "",
  deadlineMs: 250,
  retry: true,
  defaults: {},
  maxAnswerBytes: 262_144,
  maxRestMs: 30_000,
  breaker: {},
  onCall: () => {},
  onProblem: () => {},
  clock: () => performance.now(),
};

const RANGES = [
  ["deadlineMs", 1, 60_000],
  ["maxAnswerBytes", 1_024, 64_000_000],
  ["maxRestMs", 0, 600_000],
] as const;

/** The options with what was not given; throws RangeError on a value out of range, naming what is allowed. */
export function complete(given: Partial<ClientOptions>): ClientOptions {
  const options = { ...DEFAULTS, ...given };
  if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url)) {
    throw new RangeError(`url ${JSON.stringify(options.url)}: an address that starts with http:// or https://`);
  }
  if (!/^[\x21-\x7e]*$/.test(options.key)) {
    throw new RangeError("key: an API key has no spaces and only ASCII; is it the right file?");
  }
  for (const [name, least, most] of RANGES) {
    if (!(options[name] >= least && options[name] <= most)) {
      throw new RangeError(`${name}=${options[name]}: ${least} to ${most} is allowed`);
    }
  }
  for (const [name, value] of Object.entries(options.defaults)) {
    if (!isScalar(value)) throw new RangeError(`defaults.${name}: text, a number or a boolean is allowed`);
  }
  return { ...options, url: options.url.replace(/\/+$/, "") };
}

/**
 * Address and key from the environment: `RAPPORT_SERVICE_URL`; the key's file `RAPPORT_SERVICE_KEY_FILE`, or else the key
 * itself, `RAPPORT_SERVICE_KEY`. Throws when that file cannot be read or is empty.
 *
 * Certificates to trust are Node's own setting: `NODE_EXTRA_CA_CERTS`.
 */
export function optionsFromEnv(env: NodeJS.ProcessEnv = process.env): Partial<ClientOptions> {
  const found: Partial<ClientOptions> = {};
  if (env["RAPPORT_SERVICE_URL"]) found.url = env["RAPPORT_SERVICE_URL"];
  if (env["RAPPORT_SERVICE_KEY_FILE"]) found.key = readKey(env["RAPPORT_SERVICE_KEY_FILE"]);
  else if (env["RAPPORT_SERVICE_KEY"]) found.key = env["RAPPORT_SERVICE_KEY"];
  return found;
}

function readKey(path: string): string {
  const key = (readFileSync(path, "utf8").split("\n", 1)[0] ?? "").trim();
  if (!key) throw new RangeError(`the key's file ${path} is empty: its first line is to be the key`);
  return key;
}
