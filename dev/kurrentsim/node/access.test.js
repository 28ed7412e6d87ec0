import assert from "node:assert/strict";
import { test } from "node:test";

import { AccessDeniedError, START, persistentSubscriptionToStreamSettingsFromDefaults as settings } from "@kurrent/kurrentdb-client";

import { all, connect, newEvents, newStream } from "./helpers.js";

const as = (name, password) => connect(process.env.KURRENTDB_TLS_URL.replace("://", `://${name}:${password}@`));
const admin = as("admin", "changeit");
const carla = as("carla", "secret");

test("a user writes and reads where it is allowed to", async () => {
  const own = newStream();
  const closed = newStream();
  await admin.setStreamMetadata(closed, { acl: { readRoles: "$admins", writeRoles: "$admins" } });
  // Concurrently, so that they share a call: an error of one must not affect the other.
  const [allowed, denied] = await Promise.allSettled([
    carla.appendToStream(own, newEvents(1)), carla.appendToStream(closed, newEvents(1)),
  ]);
  assert.equal(allowed.value.nextExpectedRevision, 0n);
  assert.ok(denied.reason instanceof AccessDeniedError, denied.reason);
  assert.equal((await all(carla.readStream(own))).length, 1);
  await assert.rejects(all(carla.readStream(closed)), AccessDeniedError);
  await admin.appendToStream(closed, newEvents(1));
  assert.equal((await all(admin.readStream(closed))).length, 1);
});

test("credentials of a call override those of the client", async () => {
  const stream = newStream();
  const credentials = { username: "admin", password: "changeit" };
  await carla.setStreamMetadata(stream, { acl: { writeRoles: "$admins" } });
  await assert.rejects(carla.appendToStream(stream, newEvents(1)), AccessDeniedError);
  await carla.appendToStream(stream, newEvents(1), { credentials });
  assert.equal((await all(carla.readStream(stream, { credentials }))).length, 1);
});

test("a wrong password and none", async () => {
  const anonymous = connect(process.env.KURRENTDB_TLS_URL);
  for (const client of [as("carla", "wrong"), anonymous]) {
    await assert.rejects(client.appendToStream(newStream(), newEvents(1)), AccessDeniedError);
  }
});

test("only operators create groups", async () => {
  const stream = newStream();
  const create = (client) => client.createPersistentSubscriptionToStream(stream, "group", settings({ startFrom: START }));
  await assert.rejects(create(carla), AccessDeniedError);
  await create(admin);
});
