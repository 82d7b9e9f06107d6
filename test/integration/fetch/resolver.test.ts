import { setMaxListeners } from "node:events";
import { setTimeout as after } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { createResolver, resolveTrusted } from "../../../src/fetch/resolver.ts";
import { startNameServer } from "../../support/name-server.ts";

const never = new AbortController().signal;
setMaxListeners(1000, never); // hundreds of lookups share it

describe("the resolver", () => {
  test("the resolver returns the addresses of both families", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, (_name, family) =>
      family === "A" ? ["192.0.2.1", "192.0.2.2"] : ["2001:db8:0:0:0:0:0:1"],
    );
    const addresses = await createResolver({ timeoutMs: 5000, servers })("media.example.net", never);
    expect(addresses.sort()).toEqual(["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
  });

  test.for(["A", "AAAA"] as const)("a name that only has %s has addresses", async (has, { onTestFinished }) => {
    const answer = { A: ["192.0.2.1"], AAAA: ["2001:db8:0:0:0:0:0:1"] }[has];
    for (const other of [[], "refused"] as const) {
      const { servers } = await startNameServer(onTestFinished, (_name, family) => (family === has ? answer : other));
      expect(await createResolver({ timeoutMs: 5000, servers })("media.example.net", never)).toHaveLength(1);
    }
  });

  test("a silent address family delays the other only briefly", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, (name, family) =>
      family === "A" && name.startsWith("media") ? ["192.0.2.1"] : null,
    );
    const resolve = createResolver({ timeoutMs: 3000, servers });
    const silent = resolve("silent.example.net", never).catch(() => "timeout");
    expect(await Promise.race([silent, resolve("media.example.net", never)])).toEqual(["192.0.2.1"]);
  });

  test.for([[], "refused"] as const)(
    "a name without addresses fails with the reason name",
    async (answer, { onTestFinished }) => {
      const { servers } = await startNameServer(onTestFinished, () => answer);
      await expect(createResolver({ timeoutMs: 5000, servers })("media.example.net", never)).rejects.toMatchObject({
        code: "source_unreachable",
        reason: "name",
      });
    },
  );

  test("a query to a silent name server fails at the timeout", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, () => null);
    const patient = createResolver({ timeoutMs: 2000, servers })("media.example.net", never).catch(() => "later");
    const hasty = createResolver({ timeoutMs: 200, servers })("media.example.net", never);
    await expect(Promise.race([patient, hasty])).rejects.toMatchObject({ code: "source_unreachable", reason: "name" });
  });

  test("the signal ends a DNS lookup at once", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, () => null);
    await expect(
      createResolver({ timeoutMs: 10_000, servers })("media.example.net", AbortSignal.timeout(50)),
    ).rejects.toMatchObject({ code: "source_unreachable", reason: "timeout" });
  });

  test("a query that is lost is sent again in time", async ({ onTestFinished }) => {
    const lost = new Set<string>();
    const { servers } = await startNameServer(onTestFinished, (_name, family) => {
      if (lost.has(family)) return family === "A" ? ["192.0.2.1"] : [];
      lost.add(family);
      return null;
    });
    const resolve = createResolver({ timeoutMs: 5000, servers });
    expect(await resolve("media.example.net", never)).toEqual(["192.0.2.1"]);
  });

  test("no query is sent again after the end of its DNS lookup", async ({ onTestFinished }) => {
    const leaver = new AbortController();
    const nameServer = await startNameServer(onTestFinished, (name, family) => {
      if (name.startsWith("silent")) leaver.abort();
      return name.startsWith("half") && family === "A" ? ["192.0.2.1"] : null;
    });
    const resolve = createResolver({ timeoutMs: 1400, servers: nameServer.servers });
    await expect(resolve("silent.example.net", leaver.signal)).rejects.toMatchObject({ reason: "timeout" });
    await resolve("half.example.net", never);
    const { questions } = nameServer;
    await after(600); // tries begin after 200 ms and 600 ms
    expect(nameServer.questions).toBe(questions);
  });

  test("hundreds of silent names do not delay one that is answered", async ({ onTestFinished }) => {
    const nameServer = await startNameServer(onTestFinished, (name) =>
      name.startsWith("silent") ? null : ["192.0.2.1"],
    );
    const resolve = createResolver({ timeoutMs: 3000, servers: nameServer.servers });
    const silent = Array.from({ length: 500 }, (_, index) =>
      resolve(`silent${index}.example.net`, never).catch(() => null),
    );
    await vi.waitFor(() => expect(nameServer.questions).toBeGreaterThan(200), { timeout: 60_000 });
    expect(await Promise.race([...silent, resolve("media.example.net", never)])).toEqual(["192.0.2.1"]);
    expect(await Promise.all(silent)).toEqual(silent.map(() => null));
  });

  test("the end of one DNS lookup does not end another", async ({ onTestFinished }) => {
    const { servers } = await startNameServer(onTestFinished, (name) =>
      name.startsWith("silent") ? null : ["192.0.2.1"],
    );
    const resolve = createResolver({ timeoutMs: 5000, servers });
    const leaver = new AbortController();
    const silent = resolve("silent.example.net", leaver.signal);
    const other = resolve("media.example.net", never);
    leaver.abort();
    await expect(silent).rejects.toMatchObject({ reason: "timeout" });
    expect(await other).toEqual(["192.0.2.1"]);
  });

  test("the resolver for public names ignores the hosts file", async ({ onTestFinished }) => {
    const nameServer = await startNameServer(onTestFinished, () => []);
    await expect(
      createResolver({ timeoutMs: 2000, servers: nameServer.servers })("localhost", never),
    ).rejects.toMatchObject({
      reason: "name",
    });
  });
});

describe("the operator's own names", () => {
  test("the operator's own names are resolved like the system does", async () => {
    expect(await resolveTrusted("localhost", never)).toContain("127.0.0.1");
  });

  test("an operator's own name that does not exist fails with the reason name", async () => {
    await expect(resolveTrusted("a name that cannot be", never)).rejects.toMatchObject({ reason: "name" });
  });
});
