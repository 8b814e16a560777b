// Express: each request has its customer's tags, asked for when they are first used.

import type { RapportClient, SessionData } from "./client.js";
import type { Tags } from "./tags.js";

/** What a handler finds as `request.personalization`. */
export interface Personalization {
  /** The tags. The first call asks, later ones give the same. */
  tags(): Promise<Tags>;
}

declare global {
  // Express merges this into its Request.
  namespace Express {
    interface Request {
      personalization: Personalization;
    }
  }
}

export interface MiddlewareOptions<R> {
  /** Who a request is of, from what the application itself has verified; null: nobody, so the defaults. */
  customerId: (request: R) => string | null | undefined;
  /** What else is known of the turn, as `{page: request.path}`. */
  sessionData?: (request: R) => SessionData;
  /** Is told when one of these throws, by the name of the error. */
  onProblem?: (message: string) => void;
}

/** The middleware. A request that uses no tags costs nothing; one that does waits at most the client's deadline. */
export function personalization<R extends object>(client: RapportClient, options: MiddlewareOptions<R>) {
  return (request: R, _response: unknown, next: () => void): void => {
    let asked: Promise<Tags> | undefined;
    const found: Personalization = { tags: () => (asked ??= ask(client, options, request)) };
    Object.assign(request, { personalization: found });
    next();
  };
}

async function ask<R>(client: RapportClient, options: MiddlewareOptions<R>, request: R): Promise<Tags> {
  let customerId = "";
  let sessionData: SessionData = {};
  try {
    customerId = options.customerId(request) ?? "";
    if (customerId) sessionData = options.sessionData?.(request) ?? {};
  } catch (error) {
    customerId = "";
    const name = error instanceof Error ? error.name : typeof error;
    options.onProblem?.(`no personalization: customerId or sessionData failed: ${name}`);
  }
  return client.getPersonalizationTags(customerId, sessionData);
}
