// What the tests are given by whoever starts them: the addresses of servers, and files that other languages read, too.

import { readFileSync } from "node:fs";

export function given(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests are started by pytest, see docs/clients.md`);
  return value;
}

export function json<T>(name: string): T {
  return JSON.parse(readFileSync(given(name), "utf8")) as T;
}

/** What the faulty server answers to a GET of one of its switches. */
export async function faulty(path: string): Promise<number> {
  const answer = await fetch(`${given("FAULTY_URL")}/${path}`);
  return Number(await answer.text().then((text) => text.replace("{}", "0")));
}
