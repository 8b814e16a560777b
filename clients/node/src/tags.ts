// A decision as tags: one flat object that a template, a prompt or a log line can use as it is.

export type Scalar = string | number | boolean;
export type Tags = Record<string, Scalar>;
export type JsonObject = Record<string, unknown>;

const PLAIN = [
  "decision_id",
  "segment",
  "activity",
  "intent",
  "tone",
  "template_id",
  "rule",
  "policy_version",
  "feature_age_s",
] as const;
const NESTED = [
  ["sentiment", "sentiment", "label"],
  ["sentiment_score", "sentiment", "score"],
  ["template_text", "template", "text"],
  ["template_locale", "template", "locale"],
  ["offer", "offer", "id"],
  ["next_action", "next_action", "id"],
] as const;

/**
 * The tags of a decision, as `POST /personalize` answers it (docs/clients.md lists them).
 *
 * What the decision does not have, or not as text, number or boolean, is left out. `degraded` and `ask` are joined with
 * commas, and are "" when there is nothing to tell.
 */
export function tagsOf(decision: JsonObject): Tags {
  const found: [string, unknown][] = PLAIN.map((name) => [name, decision[name]]);
  for (const [tag, outer, inner] of NESTED) found.push([tag, object(decision[outer])[inner]]);
  for (const [model, score] of Object.entries(object(decision["scores"]))) found.push([`score_${model}`, score]);
  found.push(["ask", list(decision["ask"]).map((ask) => String(object(ask)["name"] ?? "")).join(",")]);
  found.push(["degraded", list(decision["degraded"]).map(String).join(",")]);
  return Object.fromEntries(found.filter((entry): entry is [string, Scalar] => isScalar(entry[1])));
}

export function isScalar(value: unknown): value is Scalar {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function object(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
