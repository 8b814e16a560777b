// The client beside a server that fails in each way: the same cases as for Python.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CircuitOpen, RapportClient, RequestRefused, ServiceError, type CallReport } from "../src/index.js";
import { faulty, given, json } from "./world.js";

interface Case {
  how: string;
  outcome: string;
  attempts: number;
}

const DEFAULTS = { tone: "friendly", segment: "Unknown", vip: false };
const DEADLINE_MS = 500;
const SLACK_MS = 2_000;
const TAGS = json<Record<string, unknown>>("TAGS");

function urlOf(how: string): string {
  return how === "closed_port" ? given("CLOSED_URL") : `${given("FAULTY_URL")}/${how}`;
}

for (const { how, outcome, attempts } of json<Case[]>("CASES")) {
  test(`tags or defaults in time: ${how}`, async () => {
    const reports: CallReport[] = [];
    const said: string[] = [];
    const client = new RapportClient({
      url: urlOf(how),
      deadlineMs: DEADLINE_MS,
      defaults: DEFAULTS,
      onCall: (report) => reports.push(report),
      onProblem: (message) => said.push(message),
    });
    const began = performance.now();
    const tags = await client.get_personalization_tags("ann", { message: "secret words", page: null });
    assert.ok(performance.now() - began < DEADLINE_MS + SLACK_MS);
    assert.deepEqual(tags, outcome === "ok" ? TAGS : DEFAULTS);
    assert.deepEqual(
      reports.map((report) => [report.outcome, report.attempts]),
      [[outcome, attempts]],
    );
    assert.equal(said.length, outcome === "ok" ? 0 : 1);
    assert.doesNotMatch(said.join(), /\bann\b|secret|private/);
    if (outcome !== "ok") await assert.rejects(client.decide("ann"), ServiceError);
  });
}

test("the circuit opens and nothing is sent until the service is back", async () => {
  let now = 0;
  const breaker = { failures: 3, window: 4, openMs: 5_000 };
  const client = new RapportClient({ url: urlOf("switch"), deadlineMs: 5_000, breaker, clock: () => now });
  await faulty("set/error_500");
  for (let call = 0; call < 3; call++) assert.deepEqual(await client.getPersonalizationTags("ann"), {});
  assert.equal(client.circuit, "open");
  const sent = await faulty("count/switch");
  await assert.rejects(client.decide("ann"), CircuitOpen);
  assert.equal(await faulty("count/switch"), sent);
  now = 5_000;
  assert.equal(client.circuit, "half_open");
  await client.getPersonalizationTags("ann");
  assert.equal(client.circuit, "open");
  assert.equal(await faulty("count/switch"), sent + 1);
  await faulty("set/ok");
  now = 10_000;
  assert.equal((await client.getPersonalizationTags("ann"))["tone"], "apologetic");
  assert.equal(client.circuit, "closed");
});

test("Retry-After is waited for", async () => {
  let now = 0;
  const client = new RapportClient({ url: urlOf("rate_limited"), deadlineMs: 5_000, clock: () => now });
  await assert.rejects(client.decide("ann"), (error) => error instanceof RequestRefused && error.status === 429);
  await assert.rejects(client.decide("ann"), CircuitOpen);
  now = 1_000;
  await assert.rejects(client.decide("ann"), RequestRefused);
});

test("only what is safe is sent twice", async () => {
  const sent = async (how: string, work: (client: RapportClient) => Promise<unknown>): Promise<number> => {
    const before = await faulty(`count/${how}`);
    await assert.rejects(work(new RapportClient({ url: urlOf(how) })), ServiceError);
    return (await faulty(`count/${how}`)) - before;
  };
  const [withId, without] = [{ event_id: "e1" }, { customer_id: "ann" }];
  assert.equal(await sent("reset", (client) => client.sendEvents("customer_clicks", [withId])), 2);
  assert.equal(await sent("reset", (client) => client.sendEvents("customer_clicks", [withId, without])), 1);
  assert.equal(await sent("reset", (client) => client.feedback("ann", { csat: 5, idempotency_key: "k" })), 2);
  assert.equal(await sent("unavailable", (client) => client.feedback("ann", { csat: 5 })), 1);
});

test("what is not JSON, hooks that fail and nobody give defaults", async () => {
  const fails = (): never => {
    throw new Error("a hook");
  };
  const client = new RapportClient({ url: urlOf("ok"), deadlineMs: 5_000, onCall: fails, onProblem: fails });
  const circle: Record<string, unknown> = {};
  circle["slots"] = circle;
  assert.deepEqual(await client.getPersonalizationTags("ann", circle), {});
  assert.deepEqual(await client.getPersonalizationTags("ann", { slots: 1n }), {});
  assert.deepEqual(await client.getPersonalizationTags(""), {});
  assert.equal((await client.getPersonalizationTags("ann", null))["tone"], "apologetic");
});

test("what cannot be is refused", () => {
  assert.throws(() => new RapportClient({ url: "rapport:8400" }), /starts with http/);
  assert.throws(() => new RapportClient({ deadlineMs: 0 }), /1 to 60000/);
  assert.throws(() => new RapportClient({ key: "two words" }), /no spaces/);
  assert.throws(() => new RapportClient({ breaker: { failures: 3, window: 2 } }), /is needed/);
});
