import assert from "node:assert/strict";
import { test } from "node:test";

import {
  NO_STREAM, StreamNotFoundError, StreamTombstonedError, WrongExpectedVersionError, jsonEvent,
} from "@kurrent/kurrentdb-client";

import { all, connect, newEvents, newStream, numbers } from "./helpers.js";

// Differences of servers from 25.1 on.
const client = connect(process.env.KURRENTDB_LATER_URL);

test("append to several streams at once", async () => {
  const streams = [newStream(), newStream()];
  const request = (streamName) => ({ streamName, events: newEvents(2), expectedState: NO_STREAM });
  const { responses } = await client.multiStreamAppend(streams.map(request));
  assert.deepEqual(responses, streams.map((streamName) => ({ streamName, revision: 1n })));
  for (const stream of streams) assert.deepEqual(numbers(await all(client.readStream(stream))), [0, 1]);
});

test("append to several streams at once, or to none", async () => {
  const [there, gone, untouched] = [newStream(), newStream(), newStream()];
  await client.appendToStream(there, newEvents(1));
  await client.tombstoneStream(gone);
  const withFirst = (streamName, expectedState) => client.multiStreamAppend([
    { streamName: untouched, events: newEvents(1), expectedState: NO_STREAM },
    { streamName, events: newEvents(1), expectedState },
  ]);
  await assert.rejects(withFirst(there, NO_STREAM), (error) => error instanceof WrongExpectedVersionError
    && error.streamName === there && error.expectedState === NO_STREAM && error.actualState === 0n);
  await assert.rejects(withFirst(gone, "any"), (error) => error instanceof StreamTombstonedError && error.stream === gone);
  await assert.rejects(all(client.readStream(untouched)), StreamNotFoundError);
});

test("append more than 1 MiB, in several messages", async () => {
  const stream = newStream();
  const large = Array.from({ length: 3 }, () => jsonEvent({ type: "large", data: "x".repeat(2 * 1024 * 1024) }));
  assert.equal((await client.appendToStream(stream, large)).nextExpectedRevision, 2n);
  assert.deepEqual((await all(client.readStream(stream))).map(({ event }) => event.data.length), large.map(({ data }) => data.length));
});
