// The middleware in an Express of its own: tags when they are used, and the application's own page whatever fails.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import express from "express";
import { personalization } from "../src/express.js";
import { RapportClient } from "../src/index.js";
import { faulty, given } from "./world.js";

async function withShop(how: string, work: (url: string) => Promise<void>): Promise<void> {
  const url = `${given("FAULTY_URL")}/${how}`;
  const client = new RapportClient({ url, deadlineMs: how === "ok" ? 5_000 : 200, defaults: { tone: "friendly" } });
  const app = express();
  app.use(
    personalization<express.Request>(client, {
      customerId: (request) => {
        if (request.get("Customer") === "broken") throw new TypeError("no login");
        return request.get("Customer");
      },
      sessionData: (request) => ({ page: request.path }),
    }),
  );
  app.get("/plain", (_request, response) => void response.json({}));
  app.get("/tags", async (request, response) => {
    const [first, second] = [await request.personalization.tags(), await request.personalization.tags()];
    response.json({ ...first, same: first === second });
  });
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function get(url: string, customer?: string): Promise<Record<string, unknown>> {
  const answer = await fetch(url, { headers: customer ? { Customer: customer } : {} });
  assert.equal(answer.status, 200);
  return (await answer.json()) as Record<string, unknown>;
}

test("tags are asked for once and only when they are used", async () => {
  await withShop("ok", async (url) => {
    const before = await faulty("count/ok");
    await get(`${url}/plain`, "ann");
    assert.equal(await faulty("count/ok"), before);
    const tags = await get(`${url}/tags`, "ann");
    assert.deepEqual([tags["tone"], tags["same"]], ["apologetic", true]);
    assert.equal(await faulty("count/ok"), before + 1);
    for (const nobody of [undefined, "broken"]) assert.equal((await get(`${url}/tags`, nobody))["tone"], "friendly");
    assert.equal(await faulty("count/ok"), before + 1);
  });
});

for (const how of ["hang", "reset", "error_500", "garbage"]) {
  test(`the page comes whatever the service does: ${how}`, async () => {
    await withShop(how, async (url) => assert.equal((await get(`${url}/tags`, "ann"))["tone"], "friendly"));
  });
}
