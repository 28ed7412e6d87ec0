import { randomUUID } from "node:crypto";
import { after } from "node:test";

import { KurrentDBClient, jsonEvent } from "@kurrent/kurrentdb-client";

/** Returns a client that is disposed after the tests of the file. */
export function connect(url = process.env.KURRENTDB_URL) {
  const client = KurrentDBClient.connectionString(url);
  after(() => client.dispose());
  return client;
}

/** Returns the name of a stream that no other test uses. Its category is the part before the first dash. */
export const newStream = (category = "order") => `${category}-${randomUUID()}`;

/** Returns a category that no other test uses. */
export const newCategory = () => randomUUID().replaceAll("-", "");

/** Returns events whose data count up from 0. */
export const newEvents = (count, type = "order-placed") =>
  Array.from({ length: count }, (_, number) => jsonEvent({ type, data: { number } }));

/** Returns everything that a read yields. */
export async function all(read) {
  const found = [];
  for await (const resolved of read) found.push(resolved);
  return found;
}

/** Returns the next events of a subscription, which continues. */
export async function take(subscription, count) {
  const found = [];
  for await (const resolved of subscription.iterator({ destroyOnReturn: false })) {
    found.push(resolved);
    if (found.length === count) break;
  }
  return found;
}

/** Returns the numbers in the data of events. */
export const numbers = (found) => found.map(({ event }) => event.data.number);

/** Returns once the check succeeds. */
export async function eventually(check) {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 20));
}
