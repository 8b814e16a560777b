// What the package gives.

export { CircuitBreaker, type BreakerOptions, type CircuitState } from "./breaker.js";
export { RapportClient, type SessionData, type Turn, type TurnResult } from "./client.js";
export { CircuitOpen, DeadlinePassed, RequestRefused, ServiceError, ServiceUnavailable } from "./errors.js";
export { DEFAULT_URL, optionsFromEnv, type CallReport, type ClientOptions, type Outcome } from "./options.js";
export { tagsOf, type JsonObject, type Scalar, type Tags } from "./tags.js";
