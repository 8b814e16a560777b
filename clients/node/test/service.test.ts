// The client and the example shop beside the real service.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { RapportClient, RequestRefused, type Tags, tagsOf } from "../src/index.js";
import { given } from "./world.js";

const client = () => new RapportClient({ url: given("RAPPORT_SERVICE_URL"), deadlineMs: 5_000 });
const SESSION = { message: "I HATE this, I am STILL waiting!!!", channel: "web", page: null, locale: "de-AT" };

/** Without what is each decision's own. */
const alike = (tags: Tags): Tags => {
  const { decision_id: id, feature_age_s: age, ...rest } = tags;
  assert.ok(id !== undefined && age !== undefined);
  return rest;
};

test("the tags are the decision", async () => {
  const decided = async () => alike(tagsOf(await client().decide("ann", SESSION)));
  // Windows go on: what is decided just before and just after has to agree.
  for (;;) {
    const before = await decided();
    const tags = alike(await client().getPersonalizationTags("ann", SESSION));
    const after = await decided();
    if (isDeepStrictEqual(before, after)) {
      assert.deepEqual(tags, before);
      assert.deepEqual([tags["sentiment"], tags["template_locale"]], ["negative", "de"]);
      assert.ok(typeof tags["score_escalation_risk"] === "number");
      break;
    }
  }
});

test("many turns in one call", async () => {
  const turns = [{ customerId: "ann", sessionData: SESSION }, { customerId: "" }, { customerId: "ben" }];
  const [ann, nobody, ben] = await client().decideBatch(turns);
  assert.equal(ann?.decision?.["segment"], "Champions");
  assert.deepEqual([nobody?.error?.field, nobody?.decision], ["customer_id", undefined]);
  assert.ok(ben?.decision?.["decision_id"]);
  const many = await client().decideBatch(Array.from({ length: 500 }, () => ({ customerId: "ann" })));
  assert.equal(new Set(many.map((one) => one.decision?.["decision_id"])).size, 500);
  await assert.rejects(client().decideBatch([]), (error) => error instanceof RequestRefused && error.field === "turns");
});

test("events and feedback arrive, and a refusal names the field", async () => {
  const answer = await client().sendEvents("customer_clicks", [{ event_id: "node-1" }]);
  assert.equal(answer["refused"], 1);
  assert.match(await client().feedback("ann", { csat: 5, idempotency_key: "node" }), /^fb-/);
  const refused = client();
  await assert.rejects(
    refused.decide("ann", { locale: "!" }),
    (error) => error instanceof RequestRefused && error.reason === "bad_value" && /locale/.test(error.field),
  );
  assert.deepEqual(await refused.getPersonalizationTags("ann", { locale: "!" }), {});
  assert.equal(refused.circuit, "closed");
});

for (const up of [true, false]) {
  test(`the example shop, the service ${up ? "up" : "down"}`, async () => {
    const path = fileURLToPath(new URL("../examples/express-shop.js", import.meta.url));
    const url = given(up ? "RAPPORT_SERVICE_URL" : "CLOSED_URL");
    const shop = spawn(process.execPath, [path], { env: { ...process.env, PORT: "0", RAPPORT_SERVICE_URL: url } });
    try {
      const [address] = (await once(createInterface(shop.stdout), "line")) as [string];
      const headers = { Customer: "ann", "Content-Type": "application/x-www-form-urlencoded" };
      const answer = await fetch(`${address}/chat`, { method: "POST", headers, body: "message=I+HATE+this" });
      const tags = (await answer.json()) as Record<string, unknown>;
      assert.equal("decision_id" in tags, up);
      assert.ok(tags["template_text"]);
    } finally {
      shop.kill();
      await once(shop, "exit");
    }
  });
}
