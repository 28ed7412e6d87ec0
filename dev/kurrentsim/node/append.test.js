import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import {
  BACKWARDS, END, MaxAppendSizeExceededError, NO_STREAM, STREAM_EXISTS, StreamDeletedError, StreamNotFoundError,
  UnknownError, UnsupportedError, WrongExpectedVersionError, binaryEvent, jsonEvent,
} from "@kurrent/kurrentdb-client";

import { all, connect, newEvents, newStream, numbers, take } from "./helpers.js";

const client = connect();
// An append with its own credentials is a separate call; without them, all appends share a
// call.
const ways = { "a shared call": {}, "a separate call": { credentials: { username: "admin", password: "changeit" } } };

test("the server takes appends in batches, as a real 24.10 does", async () => {
  const path = "/event_store.client.streams.Streams/BatchAppend";
  assert.ok((await client.capabilities).supports({ path }, "deadline_duration"));
});

for (const [way, options] of Object.entries(ways)) {
  test(`append by ${way}: one by one`, async () => {
    const stream = newStream();
    let last;
    for (const [i, event] of newEvents(5).entries()) {
      const streamState = last ? last.nextExpectedRevision : NO_STREAM;
      const result = await client.appendToStream(stream, event, { streamState, ...options });
      assert.ok(result.success);
      assert.equal(result.nextExpectedRevision, BigInt(i));
      assert.ok(!last || result.position.commit > last.position.commit);
      last = result;
    }
    const found = await all(client.readStream(stream));
    assert.deepEqual(numbers(found), [0, 1, 2, 3, 4]);
    assert.deepEqual(found.at(-1).event.position, last.position);
  });

  test(`append by ${way}: many events, in several messages, are one append`, async () => {
    const stream = newStream();
    const result = await client.appendToStream(stream, newEvents(500), { batchAppendSize: 1024, ...options });
    assert.equal(result.nextExpectedRevision, 499n);
    const found = await all(client.readStream(stream));
    assert.deepEqual(numbers(found), Array.from({ length: 500 }, (_, i) => i));
    assert.equal(new Set(found.map(({ event }) => event.created.getTime())).size, 1);
  });

  test(`append by ${way}: in parallel`, async () => {
    const streams = Array.from({ length: 20 }, () => newStream());
    await Promise.all(streams.flatMap((stream) =>
      newEvents(10).map((event) => client.appendToStream(stream, event, options))));
    for (const stream of streams) {
      const found = await all(client.readStream(stream));
      assert.deepEqual(numbers(found).sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });

  test(`append by ${way}: of those that expect the same, one wins`, async () => {
    const stream = newStream();
    const results = await Promise.allSettled(newEvents(10).map((event) =>
      client.appendToStream(stream, event, { streamState: NO_STREAM, ...options })));
    const refused = results.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
    assert.equal(refused.length, 9);
    for (const error of refused) {
      assert.ok(error instanceof WrongExpectedVersionError, error);
      assert.equal(error.streamName, stream);
      assert.equal(error.expectedState, NO_STREAM);
      assert.equal(error.actualState, 0n);
    }
  });

  test(`append by ${way}: the same again is written once`, async () => {
    const stream = newStream();
    const [first, second] = newEvents(2);
    const result = await client.appendToStream(stream, [first, second], options);
    for (const streamState of [NO_STREAM, "any"]) {
      const again = await client.appendToStream(stream, [first, second], { streamState, ...options });
      assert.deepEqual(again, result);
    }
    assert.equal((await all(client.readStream(stream))).length, 2);
  });

  test(`append by ${way}: a stream that is expected must be there`, async () => {
    const append = client.appendToStream(newStream(), newEvents(1), { streamState: STREAM_EXISTS, ...options });
    await assert.rejects(append, (error) => error instanceof WrongExpectedVersionError
      && error.expectedState === STREAM_EXISTS && error.actualState === NO_STREAM);
  });

  test(`append by ${way}: a tombstoned stream takes none`, async () => {
    const stream = newStream();
    await client.tombstoneStream(stream);
    await assert.rejects(client.appendToStream(stream, newEvents(1), options), (error) =>
      error instanceof StreamDeletedError && error.streamName === stream);
  });

  test(`append by ${way}: what is sent comes back`, async () => {
    const stream = newStream("größe");
    const id = randomUUID();
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    await client.appendToStream(stream, [
      jsonEvent({ id, type: "größe", data: { text: "ä\u0000😀", nested: [1, null] }, metadata: { $correlationId: "c-1" } }),
      binaryEvent({ type: "bytes", data: bytes, metadata: bytes }),
    ], options);
    const [json, binary] = await all(client.readStream(stream));
    assert.equal(json.event.id, id);
    assert.equal(json.event.type, "größe");
    assert.equal(json.event.isJson, true);
    assert.deepEqual(json.event.data, { text: "ä\u0000😀", nested: [1, null] });
    assert.deepEqual(json.event.metadata, { $correlationId: "c-1" });
    assert.ok(Math.abs(json.event.created - Date.now()) < 60_000);
    assert.equal(binary.event.isJson, false);
    assert.deepEqual(Uint8Array.from(binary.event.data), bytes);
    assert.deepEqual(Uint8Array.from(binary.event.metadata), bytes);
  });

  test(`append by ${way}: no events are no stream`, async () => {
    const stream = newStream();
    await client.appendToStream(stream, [], options);
    await assert.rejects(all(client.readStream(stream)), StreamNotFoundError);
  });

  test(`append by ${way}: an event without a type is refused`, async () => {
    const stream = newStream();
    const event = { ...newEvents(1)[0], type: "" };
    await assert.rejects(client.appendToStream(stream, event, options), UnknownError);
    await client.appendToStream(stream, newEvents(1), options);
  });
}

test("appends that share a call are written in the order in which they are made", async () => {
  const stream = newStream();
  const results = await Promise.all(newEvents(200).map((event) => client.appendToStream(stream, event)));
  assert.deepEqual(results.map(({ nextExpectedRevision }) => Number(nextExpectedRevision)), results.map((_, i) => i));
  assert.deepEqual(numbers(await all(client.readStream(stream))), results.map((_, i) => i));
});

test("an append of more than 1 MiB is refused by its size, and the others of the call are not", async () => {
  const stream = newStream();
  const large = jsonEvent({ type: "large", data: "x".repeat(600_000) });
  const others = newEvents(10).map((event) => client.appendToStream(stream, event));
  await assert.rejects(client.appendToStream(newStream(), [large, { ...large, id: randomUUID() }]), (error) =>
    error instanceof MaxAppendSizeExceededError && error.maxAppendSize === 1024 * 1024);
  assert.equal((await client.appendToStream(stream, large)).nextExpectedRevision, 10n);
  await Promise.all(others);
});

test("a client may ask for a result instead of an error", async () => {
  const lenient = connect(`${process.env.KURRENTDB_URL}&throwOnAppendFailure=false`);
  for (const options of Object.values(ways)) {
    const result = await lenient.appendToStream(newStream(), newEvents(1), { streamState: 7n, ...options });
    assert.equal(result.success, false);
    assert.equal(result.nextExpectedRevision, -1n);
  }
});

test("subscribers receive an append before the next is made", async () => {
  const stream = newStream();
  const subscription = client.subscribeToStream(stream);
  for (const event of newEvents(3)) {
    await client.appendToStream(stream, event);
    const [resolved] = await take(subscription, 1);
    assert.equal(resolved.event.id, event.id);
  }
  await subscription.unsubscribe();
});

test("appends to several streams at once need a later release", async () => {
  const request = { streamName: newStream(), events: newEvents(1), expectedState: "any" };
  await assert.rejects(client.multiStreamAppend([request]), UnsupportedError);
});

test("a client that finds the server by gossip", async () => {
  const discovering = connect(process.env.KURRENTDB_URL.replace("kurrentdb://", "kurrentdb+discover://"));
  const stream = newStream();
  await discovering.appendToStream(stream, newEvents(2));
  const [last] = await all(discovering.readStream(stream, { direction: BACKWARDS, fromRevision: END, maxCount: 1 }));
  assert.equal(last.event.revision, 1n);
});
