import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BACKWARDS, END, StreamDeletedError, StreamNotFoundError, eventTypeFilter, streamNameFilter,
} from "@kurrent/kurrentdb-client";

import { all, connect, newCategory, newEvents, newStream, numbers } from "./helpers.js";

const client = connect();

test("read a stream forwards, from a revision, and no more than asked for", async () => {
  const stream = newStream();
  await client.appendToStream(stream, newEvents(10));
  assert.deepEqual(numbers(await all(client.readStream(stream))), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(numbers(await all(client.readStream(stream, { fromRevision: 4n, maxCount: 3 }))), [4, 5, 6]);
  assert.deepEqual(await all(client.readStream(stream, { fromRevision: 10n })), []);
});

test("read a stream backwards", async () => {
  const stream = newStream();
  await client.appendToStream(stream, newEvents(5));
  const backwards = (options) => all(client.readStream(stream, { direction: BACKWARDS, ...options }));
  assert.deepEqual(numbers(await backwards({ fromRevision: END })), [4, 3, 2, 1, 0]);
  assert.deepEqual(numbers(await backwards({ fromRevision: 2n, maxCount: 2 })), [2, 1]);
});

test("read a long stream", async () => {
  const stream = newStream();
  for (let i = 0; i < 4; i++) await client.appendToStream(stream, newEvents(1000));
  assert.equal((await all(client.readStream(stream))).length, 4000);
});

test("a stream that does not exist, that is deleted, that is tombstoned", async () => {
  const missing = (stream) => assert.rejects(all(client.readStream(stream)), (error) =>
    error instanceof StreamNotFoundError && error.streamName === stream);
  const stream = newStream();
  await missing(stream);
  await client.appendToStream(stream, newEvents(1));
  await client.deleteStream(stream);
  await missing(stream);
  await client.tombstoneStream(stream);
  await assert.rejects(all(client.readStream(stream)), (error) =>
    error instanceof StreamDeletedError && error.streamName === stream);
});

test("read a category, with its links resolved and not", async () => {
  const category = newCategory();
  const streams = [newStream(category), newStream(category)];
  for (const stream of streams) await client.appendToStream(stream, newEvents(1));
  const resolved = await all(client.readStream(`$ce-${category}`, { resolveLinkTos: true }));
  assert.deepEqual(resolved.map(({ event }) => event.streamId), streams);
  assert.deepEqual(resolved.map(({ link }) => link.streamId), streams.map(() => `$ce-${category}`));
  const [link] = await all(client.readStream(`$ce-${category}`));
  assert.equal(link.event.type, "$>");
  assert.equal(Buffer.from(link.event.data).toString(), `0@${streams[0]}`);
});

test("read $all forwards and backwards from a position", async () => {
  const stream = newStream();
  const first = await client.appendToStream(stream, newEvents(1));
  await client.appendToStream(stream, newEvents(3));
  const own = (found) => found.filter(({ event }) => event?.streamId === stream);
  const forwards = own(await all(client.readAll({ fromPosition: first.position })));
  assert.deepEqual(forwards.map(({ event }) => event.revision), [0n, 1n, 2n, 3n]);
  const { position } = forwards.at(-1).event;
  const backwards = own(await all(client.readAll({ direction: BACKWARDS, fromPosition: position })));
  assert.deepEqual(backwards.map(({ event }) => event.revision), [2n, 1n, 0n]);
  const [newest] = own(await all(client.readAll({ direction: BACKWARDS, fromPosition: END })));
  assert.equal(newest.event.revision, 3n);
});

test("read $all through a filter", async () => {
  const category = newCategory();
  const stream = newStream(category);
  await client.appendToStream(stream, [...newEvents(2, "kept"), ...newEvents(1, "left-out")]);
  const byStream = await all(client.readAll({ filter: streamNameFilter({ prefixes: [category] }) }));
  assert.deepEqual(byStream.map(({ event }) => event.type), ["kept", "kept", "left-out"]);
  const byType = await all(client.readAll({ filter: eventTypeFilter({ regex: "^kept$" }) }));
  assert.ok(byType.every(({ event }) => event.type === "kept"));
  assert.equal(byType.filter(({ event }) => event.streamId === stream).length, 2);
});
