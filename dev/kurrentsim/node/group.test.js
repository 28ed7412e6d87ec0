import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import {
  PARK, PINNED, PINNED_BY_CORRELATION, PersistentSubscriptionDoesNotExistError, PersistentSubscriptionDroppedError,
  PersistentSubscriptionExistsError, PersistentSubscriptionMaximumSubscribersReachedError, RETRY, SKIP, START, STOP,
  persistentSubscriptionToAllSettingsFromDefaults as allSettings,
  persistentSubscriptionToStreamSettingsFromDefaults as settings, streamNameFilter,
} from "@kurrent/kurrentdb-client";

import { all, connect, eventually, newCategory, newEvents, newStream, numbers, take } from "./helpers.js";

const client = connect(`${process.env.KURRENTDB_URL}&connectionName=checkout`);
const group = "group";

/** Creates a group that starts with the first event, on a stream with events. */
async function newGroup(count, changes) {
  const stream = newStream();
  await client.appendToStream(stream, newEvents(count));
  await client.createPersistentSubscriptionToStream(stream, group, settings({ startFrom: START, ...changes }));
  return stream;
}

const join = (stream, options) => client.subscribeToPersistentSubscriptionToStream(stream, group, options);
const info = (stream) => client.getPersistentSubscriptionToStreamInfo(stream, group);
const parkedStream = (stream) => `$persistentsubscription-${stream}::${group}-parked`;

test("join a group and acknowledge", async () => {
  const stream = await newGroup(5, { checkPointLowerBound: 1, checkPointAfter: 100 });
  const subscription = join(stream);
  await once(subscription, "confirmation");
  assert.equal(subscription.id, `${stream}::${group}`);
  const found = await take(subscription, 5);
  assert.deepEqual(numbers(found), [0, 1, 2, 3, 4]);
  assert.ok(found.every(({ retryCount }) => retryCount === 0));
  await subscription.ack(...found);
  await eventually(async () => (await info(stream)).stats.lastCheckpointedEventRevision === 4n);
  await subscription.unsubscribe();
});

for (const [startFrom, first] of [[START, 0n], [2n, 2n], [undefined, 3n]]) {
  test(`a group starts from ${startFrom ?? "the end"}`, async () => {
    const stream = newStream();
    await client.appendToStream(stream, newEvents(3));
    await client.createPersistentSubscriptionToStream(stream, group, settings(startFrom === undefined ? {} : { startFrom }));
    await client.appendToStream(stream, newEvents(1));
    const subscription = join(stream);
    const [{ event }] = await take(subscription, 1);
    assert.equal(event.revision, first);
    await subscription.unsubscribe();
  });
}

test("a group and its connections are described", async () => {
  const stream = await newGroup(3, { maxSubscriberCount: 2, consumerStrategyName: PINNED, extraStatistics: true });
  const subscription = join(stream, { bufferSize: 2 });
  await take(subscription, 2);
  const described = await info(stream);
  assert.deepEqual(described.settings, settings({
    startFrom: START, maxSubscriberCount: 2, consumerStrategyName: PINNED, extraStatistics: true,
  }));
  assert.equal(described.eventSource, stream);
  assert.equal(described.groupName, group);
  assert.equal(described.stats.totalInFlightMessages, 2);
  assert.deepEqual(described.connections.map(({ connectionName, inFlightMessages }) => [connectionName, inFlightMessages]),
    [["checkout", 2]]);
  await subscription.unsubscribe();
});

test("nacked events are retried, skipped or parked", async () => {
  const stream = await newGroup(3);
  const subscription = join(stream);
  const [retried, skipped, parked] = await take(subscription, 3);
  await subscription.nack(RETRY, "again", retried);
  const [again] = await take(subscription, 1);
  assert.equal(again.event.id, retried.event.id);
  assert.equal(again.retryCount, 1);
  await subscription.ack(again);
  await subscription.nack(SKIP, "not for us", skipped);
  await subscription.nack(PARK, "größe", parked);
  await eventually(async () => (await info(stream)).stats.parkedMessageCount === 1n);
  const [link] = await all(client.readStream(parkedStream(stream), { resolveLinkTos: true }));
  assert.equal(link.event.id, parked.event.id);
  assert.equal(link.link.metadata.reason, "Client explicitly NAK'ed message.\ngröße");
  await subscription.unsubscribe();
});

test("a consumer that nacks with stop continues", async () => {
  const stream = await newGroup(1);
  const subscription = join(stream);
  const [refused] = await take(subscription, 1);
  await subscription.nack(STOP, "no more", refused);
  await client.appendToStream(stream, newEvents(1));
  const [next] = await take(subscription, 1);
  assert.equal(next.event.revision, 1n);
  await subscription.unsubscribe();
});

test("parked events are replayed, all or up to a number", async () => {
  const stream = await newGroup(4);
  const subscription = join(stream);
  const found = await take(subscription, 4);
  await subscription.nack(PARK, "later", ...found);
  await eventually(async () => (await info(stream)).stats.parkedMessageCount === 4n);
  await client.replayParkedMessagesToStream(stream, group, { stopAt: 2 });
  const replayed = await take(subscription, 2);
  await subscription.ack(...replayed);
  await eventually(async () => (await info(stream)).stats.parkedMessageCount === 2n);
  await client.replayParkedMessagesToStream(stream, group);
  replayed.push(...await take(subscription, 2));
  await subscription.ack(...replayed.slice(2));
  assert.deepEqual(numbers(replayed).sort(), [0, 1, 2, 3]);
  await eventually(async () => (await info(stream)).stats.parkedMessageCount === 0n);
  await subscription.unsubscribe();
});

test("two consumers share the events of a group", async () => {
  const stream = await newGroup(0);
  const consumers = [join(stream), join(stream)];
  await Promise.all(consumers.map((consumer) => once(consumer, "confirmation")));
  await client.appendToStream(stream, newEvents(10));
  const shares = await Promise.all(consumers.map((consumer) => take(consumer, 5)));
  assert.deepEqual(numbers(shares.flat()).sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (const consumer of consumers) await consumer.unsubscribe();
});

test("a group takes no more consumers than it may have", async () => {
  const stream = await newGroup(1, { maxSubscriberCount: 1 });
  const first = join(stream);
  await take(first, 1);
  await assert.rejects(take(join(stream), 1), PersistentSubscriptionMaximumSubscribersReachedError);
  await first.unsubscribe();
});

test("an update replaces the settings and drops consumers", async () => {
  const stream = await newGroup(1);
  const subscription = join(stream);
  await take(subscription, 1);
  const failed = once(subscription, "error");
  subscription.resume();
  await client.updatePersistentSubscriptionToStream(stream, group, settings({ startFrom: START, maxRetryCount: 3 }));
  const [error] = await failed;
  assert.ok(error instanceof PersistentSubscriptionDroppedError, error);
  assert.equal((await info(stream)).settings.maxRetryCount, 3);
});

test("a group that exists already, and one that does not", async () => {
  const stream = await newGroup(0, { consumerStrategyName: PINNED_BY_CORRELATION });
  const isNamed = (kind) => (error) => error instanceof kind && error.streamName === stream && error.groupName === group;
  await assert.rejects(client.createPersistentSubscriptionToStream(stream, group, settings()),
    isNamed(PersistentSubscriptionExistsError));
  await client.deletePersistentSubscriptionToStream(stream, group);
  const calls = [
    () => client.deletePersistentSubscriptionToStream(stream, group),
    () => client.updatePersistentSubscriptionToStream(stream, group, settings()),
    () => client.replayParkedMessagesToStream(stream, group),
    () => info(stream),
    () => take(join(stream), 1),
  ];
  for (const call of calls) await assert.rejects(call, PersistentSubscriptionDoesNotExistError);
});

test("groups are listed: all, of a stream, of $all", async () => {
  const stream = await newGroup(0);
  await client.createPersistentSubscriptionToStream(stream, "other", settings());
  await client.createPersistentSubscriptionToAll(stream, allSettings());
  const ofStream = await client.listPersistentSubscriptionsToStream(stream);
  assert.deepEqual(ofStream.map(({ groupName }) => groupName).sort(), [group, "other"]);
  const ofAll = await client.listPersistentSubscriptionsToAll();
  assert.ok(ofAll.every(({ eventSource }) => eventSource === "$all"));
  assert.equal(ofAll.filter(({ groupName }) => groupName === stream).length, 1);
  const listed = await client.listAllPersistentSubscriptions();
  const own = listed.filter(({ eventSource, groupName }) => [eventSource, groupName].includes(stream));
  assert.equal(own.length, 3);
});

test("a group of $all with a filter", async () => {
  const category = newCategory();
  await client.appendToStream(newStream(category), newEvents(2));
  const filter = streamNameFilter({ prefixes: [`${category}-`] });
  await client.createPersistentSubscriptionToAll(category, allSettings({ startFrom: START }), { filter });
  await assert.rejects(client.createPersistentSubscriptionToAll(category, allSettings()), PersistentSubscriptionExistsError);
  const subscription = client.subscribeToPersistentSubscriptionToAll(category);
  await client.appendToStream(newStream(), newEvents(1));
  await client.appendToStream(newStream(category), newEvents(1));
  const found = await take(subscription, 3);
  assert.deepEqual(numbers(found), [0, 1, 0]);
  await subscription.nack(PARK, "later", found[0]);
  await subscription.ack(found[1], found[2]);
  const parked = async () => (await client.getPersistentSubscriptionToAllInfo(category)).stats.parkedMessageCount;
  await eventually(async () => await parked() === 1n);
  await client.replayParkedMessagesToAll(category);
  const [again] = await take(subscription, 1);
  assert.equal(again.event.id, found[0].event.id);
  await subscription.ack(again);
  await subscription.unsubscribe();
  await client.updatePersistentSubscriptionToAll(category, allSettings({ maxRetryCount: 3 }));
  assert.equal((await client.getPersistentSubscriptionToAllInfo(category)).settings.maxRetryCount, 3);
  await client.deletePersistentSubscriptionToAll(category);
  await assert.rejects(client.getPersistentSubscriptionToAllInfo(category), PersistentSubscriptionDoesNotExistError);
});

test("a group on a category, through its links", async () => {
  const category = newCategory();
  const stream = `$ce-${category}`;
  await client.createPersistentSubscriptionToStream(stream, group, settings({ startFrom: START, resolveLinkTos: true }));
  const subscription = join(stream);
  await client.appendToStream(newStream(category), newEvents(2));
  const found = await take(subscription, 2);
  assert.deepEqual(numbers(found), [0, 1]);
  assert.ok(found.every(({ link }) => link.streamId === stream));
  await subscription.ack(...found);
  await subscription.unsubscribe();
});

// It drops the consumers of all groups, so it is the last test of the only file with groups.
test("the groups are loaded again", async () => {
  const stream = await newGroup(1);
  const subscription = join(stream);
  const [first] = await take(subscription, 1);
  const failed = once(subscription, "error");
  subscription.resume();
  await client.restartPersistentSubscriptionSubsystem();
  await failed;
  const [again] = await take(join(stream), 1);
  assert.equal(again.event.id, first.event.id);
});
