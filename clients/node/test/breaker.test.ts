// The breaker does what Python's does, which is tested beside a model: calls, outcomes and times that Python drew.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CircuitBreaker, type BreakerOptions } from "../src/index.js";
import { json } from "./world.js";

type Step =
  | ["ask", number | null, string]
  | ["tell", number, boolean, string]
  | ["wait", number, string]
  | ["rest", number, string];

test("the same steps lead to the same states", () => {
  const runs = json<{ options: BreakerOptions; steps: Step[] }[]>("STEPS");
  assert.ok(runs.length >= 100);
  for (const { options, steps } of runs) {
    let now = 0;
    const breaker = new CircuitBreaker(options, () => now);
    for (const step of steps) {
      if (step[0] === "ask") assert.equal(breaker.ask(), step[1]);
      else if (step[0] === "tell") breaker.tell(step[1], step[2]);
      else if (step[0] === "wait") now += step[1];
      else breaker.rest(step[1]);
      assert.equal(breaker.state, step.at(-1));
    }
  }
});
