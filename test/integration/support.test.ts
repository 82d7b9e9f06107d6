import type { Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";

let origin: Origin;

beforeAll(async () => {
  let used: Socket | undefined;
  origin = await startOrigin(afterAll, (request, response) => {
    used = request.socket;
    response.end();
  });
  await (await fetch(origin.url("/"))).text();
  await new Promise((resolve) => setImmediate(resolve)); // the connection is idle now
  used?.end();
});

test("a request of a test is not sent on a connection that was closed during a hook", async () => {
  expect((await fetch(origin.url("/"), { method: "POST" })).status).toBe(200);
  expect(origin.connections).toBe(2);
});
