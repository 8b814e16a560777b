// What `decide` and its like throw.

/** What answers is not the decision service; and the base of the other errors. */
export class ServiceError extends Error {
  override name = "ServiceError";
}

/** The service refuses the request. `detail` may quote what was sent, so do not log it. */
export class RequestRefused extends ServiceError {
  override name = "RequestRefused";
  constructor(
    readonly status: number,
    readonly reason: string,
    readonly field: string,
    readonly detail: string,
  ) {
    super(field ? `${field}: ${detail}` : detail);
  }
}

/** The service is not reached, cuts off, or answers 5xx. */
export class ServiceUnavailable extends ServiceError {
  override name = "ServiceUnavailable";
}

/** No answer within the call's deadline. */
export class DeadlinePassed extends ServiceUnavailable {
  override name = "DeadlinePassed";
}

/** It failed too often and is left alone for a while. */
export class CircuitOpen extends ServiceUnavailable {
  override name = "CircuitOpen";
}
