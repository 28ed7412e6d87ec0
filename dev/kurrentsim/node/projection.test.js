import assert from "node:assert/strict";
import { test } from "node:test";

import { NotFoundError, RUNNING, STOPPED } from "@kurrent/kurrentdb-client";

import { connect, eventually } from "./helpers.js";

const client = connect();
const standard = ["$by_category", "$by_correlation_id", "$by_event_type", "$stream_by_category", "$streams"];

test("the system projections run", async () => {
  const listed = await client.listProjections();
  assert.deepEqual(listed.map(({ name }) => name).sort(), standard);
  const { name, projectionStatus, progress } = await client.getProjectionStatus("$by_category");
  assert.deepEqual({ name, projectionStatus, progress }, { name: "$by_category", projectionStatus: RUNNING, progress: 100 });
});

test("a projection that does not exist", async () => {
  await assert.rejects(client.getProjectionStatus("no-such"), NotFoundError);
});

// No other test needs this projection.
test("a projection is disabled and enabled", async () => {
  const name = "$by_correlation_id";
  const becomes = (wanted) => eventually(async () => (await client.getProjectionStatus(name)).projectionStatus === wanted);
  await client.disableProjection(name);
  await becomes(STOPPED);
  await client.enableProjection(name);
  await becomes(RUNNING);
});
