import assert from "node:assert/strict";
import { test } from "node:test";

import {
  NO_STREAM, STREAM_EXISTS, StreamDeletedError, StreamNotFoundError, WrongExpectedVersionError,
} from "@kurrent/kurrentdb-client";

import { all, connect, newEvents, newStream, numbers } from "./helpers.js";

const client = connect();

test("a stream without metadata", async () => {
  const stream = newStream();
  assert.deepEqual(await client.getStreamMetadata(stream), { streamName: stream });
});

test("metadata are read back, and replace earlier ones", async () => {
  const stream = newStream();
  const metadata = {
    maxCount: 100, maxAge: 3600, cacheControl: 60, truncateBefore: 1, "own-key": { nested: true },
    acl: { readRoles: ["$all"], writeRoles: ["carla", "$ops"], deleteRoles: "carla", metaReadRoles: "$all", metaWriteRoles: "carla" },
  };
  const first = await client.setStreamMetadata(stream, metadata, { streamState: NO_STREAM });
  assert.equal(first.nextExpectedRevision, 0n);
  assert.deepEqual((await client.getStreamMetadata(stream)).metadata, metadata);
  await client.setStreamMetadata(stream, { maxCount: 3 }, { streamState: 0n });
  assert.deepEqual((await client.getStreamMetadata(stream)).metadata, { maxCount: 3 });
  await assert.rejects(client.setStreamMetadata(stream, {}, { streamState: 0n }), WrongExpectedVersionError);
});

test("metadata hide events", async () => {
  const stream = newStream();
  await client.appendToStream(stream, newEvents(10));
  await client.setStreamMetadata(stream, { maxCount: 4 });
  assert.deepEqual(numbers(await all(client.readStream(stream))), [6, 7, 8, 9]);
  await client.setStreamMetadata(stream, { truncateBefore: 8 });
  assert.deepEqual(numbers(await all(client.readStream(stream))), [8, 9]);
});

test("a deleted stream continues behind its old events", async () => {
  const stream = newStream();
  await client.appendToStream(stream, newEvents(3));
  await assert.rejects(client.deleteStream(stream, { expectedRevision: 1n }), WrongExpectedVersionError);
  const { position } = await client.deleteStream(stream, { expectedRevision: 2n });
  assert.ok(position.commit > 0n);
  await assert.rejects(all(client.readStream(stream)), StreamNotFoundError);
  await assert.rejects(client.appendToStream(stream, newEvents(1), { streamState: STREAM_EXISTS }), StreamDeletedError);
  const again = await client.appendToStream(stream, newEvents(2), { streamState: NO_STREAM });
  assert.equal(again.nextExpectedRevision, 4n);
  assert.deepEqual((await all(client.readStream(stream))).map(({ event }) => event.revision), [3n, 4n]);
});

test("a tombstone is permanent", async () => {
  const stream = newStream();
  await client.appendToStream(stream, newEvents(1));
  await assert.rejects(client.tombstoneStream(stream, { expectedRevision: 7n }), WrongExpectedVersionError);
  const { position } = await client.tombstoneStream(stream, { expectedRevision: 0n });
  assert.ok(position.commit > 0n);
  const deleted = (error) => error instanceof StreamDeletedError && error.streamName === stream;
  await assert.rejects(all(client.readStream(stream)), deleted);
  await assert.rejects(client.appendToStream(stream, newEvents(1)), deleted);
  await assert.rejects(client.deleteStream(stream), deleted);
  await assert.rejects(client.tombstoneStream(stream), deleted);
});
