// A circuit breaker: a service that fails is left alone for a while, then asked once to see whether it is back.

export type CircuitState = "closed" | "open" | "half_open";

/** When the circuit opens: `failures` of the last `window` calls failed; and for how long. */
export interface BreakerOptions {
  failures: number;
  window: number;
  openMs: number;
}

export const BREAKER_DEFAULTS: BreakerOptions = { failures: 5, window: 10, openMs: 5_000 };

/**
 * Closed: all calls go. Open: none does. Half open: one goes, and what becomes of it closes or opens the circuit.
 *
 * A call asks first and tells its outcome with the permit that it got. An outcome counts only while the circuit is as it
 * was when the call was permitted: a slow call from before it opened says nothing of now.
 */
export class CircuitBreaker {
  readonly #options: BreakerOptions;
  readonly #clock: () => number;
  #outcomes: boolean[] = [];
  #openUntil: number | null = null;
  #probing = false;
  #permit = 0;

  /** `clock` gives milliseconds that only grow. */
  constructor(options: Partial<BreakerOptions> = {}, clock: () => number = () => performance.now()) {
    this.#options = { ...BREAKER_DEFAULTS, ...options };
    this.#clock = clock;
    const { failures, window, openMs } = this.#options;
    if (!(failures >= 1 && failures <= window)) {
      throw new RangeError(`failures=${failures}, window=${window}: 1 <= failures <= window is needed`);
    }
    if (!(openMs > 0 && openMs <= 600_000)) {
      throw new RangeError(`openMs=${openMs}: more than 0 and at most 600000`);
    }
  }

  get state(): CircuitState {
    if (this.#openUntil === null) return "closed";
    return this.#clock() < this.#openUntil ? "open" : "half_open";
  }

  /** Milliseconds until a call may go again; 0 when one may now. */
  get restsMs(): number {
    return this.#openUntil === null ? 0 : Math.max(0, this.#openUntil - this.#clock());
  }

  /** A permit for one call, or null: do not call. */
  ask(): number | null {
    if (this.#openUntil !== null) {
      if (this.#probing || this.#clock() < this.#openUntil) return null;
      this.#probing = true;
    }
    return this.#permit;
  }

  /** The outcome of a call. */
  tell(permit: number, ok: boolean): void {
    if (permit !== this.#permit) return;
    if (this.#openUntil !== null) {
      this.#turn(ok ? null : this.#options.openMs);
      return;
    }
    this.#outcomes.push(ok);
    if (this.#outcomes.length > this.#options.window) this.#outcomes.shift();
    if (this.#outcomes.filter((outcome) => !outcome).length >= this.#options.failures) this.#turn(this.#options.openMs);
  }

  /** Open for that long, because the service asks for it; never shorter than it would be open anyway. */
  rest(milliseconds: number): void {
    this.#turn(Math.max(milliseconds, this.restsMs));
  }

  #turn(openMs: number | null): void {
    this.#openUntil = openMs === null ? null : this.#clock() + openMs;
    this.#probing = false;
    this.#outcomes = [];
    this.#permit += 1;
  }
}
