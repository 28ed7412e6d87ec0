import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { END, eventTypeFilter, excludeSystemEvents, streamNameFilter } from "@kurrent/kurrentdb-client";

import { all, connect, eventually, newCategory, newEvents, newStream, numbers, take } from "./helpers.js";

const client = connect();

test("subscribe to a stream: existing events, then new ones", async () => {
  const stream = newStream();
  await client.appendToStream(stream, newEvents(3));
  const subscription = client.subscribeToStream(stream);
  const caughtUp = once(subscription, "caughtUp");
  await once(subscription, "confirmation");
  assert.ok(subscription.id);
  assert.deepEqual(numbers(await take(subscription, 3)), [0, 1, 2]);
  const [info] = await caughtUp;
  assert.equal(info.revision, 2n);
  assert.ok(Math.abs(info.date - Date.now()) < 60_000);
  await client.appendToStream(stream, newEvents(2));
  assert.deepEqual(numbers(await take(subscription, 2)), [0, 1]);
  await subscription.unsubscribe();
});

test("subscribe to a stream behind a revision, and at its end", async () => {
  const stream = newStream();
  await client.appendToStream(stream, newEvents(5));
  const behind = client.subscribeToStream(stream, { fromRevision: 2n });
  assert.deepEqual(numbers(await take(behind, 2)), [3, 4]);
  const fromEnd = client.subscribeToStream(stream, { fromRevision: END });
  await once(fromEnd, "caughtUp");
  await client.appendToStream(stream, newEvents(1));
  for (const subscription of [behind, fromEnd]) {
    const [{ event }] = await take(subscription, 1);
    assert.equal(event.revision, 5n);
    await subscription.unsubscribe();
  }
});

test("subscribe to a stream that does not exist yet, and to a category", async () => {
  const category = newCategory();
  const stream = newStream(category);
  const early = client.subscribeToStream(stream);
  const linked = client.subscribeToStream(`$ce-${category}`, { resolveLinkTos: true });
  await client.appendToStream(stream, newEvents(2));
  assert.deepEqual(numbers(await take(early, 2)), [0, 1]);
  const found = await take(linked, 2);
  assert.deepEqual(numbers(found), [0, 1]);
  assert.deepEqual(found.map(({ link }) => link.streamId), [`$ce-${category}`, `$ce-${category}`]);
  await early.unsubscribe();
  await linked.unsubscribe();
});

test("an unsubscribed subscription ends", async () => {
  const subscription = client.subscribeToStream(newStream());
  const ended = all(subscription);
  await once(subscription, "caughtUp");
  await subscription.unsubscribe();
  assert.deepEqual(await ended, []);
});

test("subscribe to $all behind a position", async () => {
  const stream = newStream();
  const { position } = await client.appendToStream(stream, newEvents(1));
  const subscription = client.subscribeToAll({ fromPosition: position, filter: streamNameFilter({ prefixes: [stream] }) });
  await client.appendToStream(stream, newEvents(1));
  const [{ event }] = await take(subscription, 1);
  assert.equal(event.revision, 1n);
  await subscription.unsubscribe();
});

const filters = {
  "names of streams by prefixes": (category) => streamNameFilter({ prefixes: ["no-such", `${category}-`] }),
  "names of streams by a regular expression": (category) => streamNameFilter({ regex: `^${category}-` }),
  "types by prefixes": (category) => eventTypeFilter({ prefixes: [category] }),
  "types by a regular expression": (category) => eventTypeFilter({ regex: `^${category}$` }),
};

for (const [name, filter] of Object.entries(filters)) {
  test(`subscribe to $all through a filter: ${name}`, async () => {
    const category = newCategory();
    await client.appendToStream(newStream(category), newEvents(2, category));
    const subscription = client.subscribeToAll({ filter: filter(category) });
    const before = await take(subscription, 2);
    await client.appendToStream(newStream(), newEvents(1));
    await client.appendToStream(newStream(category), newEvents(2, category));
    const found = [...before, ...await take(subscription, 2)];
    assert.deepEqual(numbers(found), [0, 1, 0, 1]);
    assert.ok(found.every(({ event }) => event.streamId.startsWith(`${category}-`)));
    await subscription.unsubscribe();
  });
}

test("subscribe to $all without system events", async () => {
  const stream = newStream();
  const { position } = await client.appendToStream(stream, newEvents(1));
  const subscription = client.subscribeToAll({ fromPosition: position, filter: excludeSystemEvents() });
  await client.setStreamMetadata(stream, { maxCount: 100 });
  await client.appendToStream(stream, newEvents(3));
  const found = await take(subscription, 3);
  assert.ok(found.every(({ event }) => !event.type.startsWith("$")));
  await subscription.unsubscribe();
});

test("a filtered subscription gets checkpoints when no event matches", async () => {
  const category = newCategory();
  const checkpoints = [];
  const filter = streamNameFilter({
    prefixes: [category], maxSearchWindow: 10, checkpointInterval: 1,
    checkpointReached: (_, position) => { checkpoints.push(position); },
  });
  const stream = newStream();
  const { position } = await client.appendToStream(stream, newEvents(1));
  const subscription = client.subscribeToAll({ fromPosition: position, filter });
  for (let i = 0; i < 10; i++) await client.appendToStream(stream, newEvents(10));
  await eventually(() => checkpoints.length >= 3);
  await subscription.unsubscribe();
  const commits = checkpoints.map(({ commit }) => commit);
  assert.ok(commits.every((commit, i) => commit >= (commits[i - 1] ?? position.commit)), commits.join());
  const resumed = client.subscribeToAll({ fromPosition: checkpoints.at(-1), filter });
  const kept = newStream(category);
  await client.appendToStream(kept, newEvents(1));
  const [{ event }] = await take(resumed, 1);
  assert.equal(event.streamId, kept);
  await resumed.unsubscribe();
});
