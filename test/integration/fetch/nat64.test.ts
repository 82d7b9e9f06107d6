import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { createResolver } from "../../../src/fetch/resolver.ts";
import { createFetcher, type FetcherOptions } from "../../support/fetch.ts";
import { startNameServer } from "../../support/name-server.ts";
import { startOrigin } from "../../support/origin.ts";
import { requires } from "../../support/require.ts";

type OnTestFinished = Parameters<typeof startOrigin>[0];

/** Starts an origin on this machine, and a name server with these addresses for every name. */
async function startNamedOrigin(
  onTestFinished: OnTestFinished,
  addresses: readonly string[],
  options: FetcherOptions = {},
) {
  const origin = await startOrigin(onTestFinished, (_request, response) => response.end("abc"));
  const { servers } = await startNameServer(onTestFinished, (_name, family) =>
    addresses.filter((address) => address.includes(":") === (family === "AAAA")),
  );
  const resolve = createResolver({ timeoutMs: 5000, servers });
  const { outcome } = createFetcher({ allowAddresses: ["127.0.0.2"], resolve, ...options });
  const url = `http://media.example.net:${origin.port}/`;
  return { origin, outcome: () => outcome(url), outcomeOf: outcome };
}

// The origin listens on 127.0.0.1 only.
const here = { allowAddresses: ["127.0.0.1"] };
const refused = "source_unreachable address";

describe("a name with a NAT64 address (DNS64)", () => {
  test.for([
    ["of a public address", "64:ff9b::8.8.8.8"],
    ["of the same address, although it is private: the operator allows it as an A record", "64:ff9b::127.0.0.1"],
  ])("a NAT64 address %s does not refuse a name with an allowed A record", async ([, nat64], { onTestFinished }) => {
    const { origin, outcome } = await startNamedOrigin(onTestFinished, ["127.0.0.1", nat64!], here);
    expect(await outcome()).toBe("ok");
    expect(origin.connections).toBe(1);
  });

  // No DNS64 made it of an A record, so the name's owner did: it bets on our trying the addresses in turn.
  test.for(["64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "64:ff9b::127.0.0.2"])(
    "%s beside an allowed A record of another address refuses the name",
    async (nat64, { onTestFinished }) => {
      const { origin, outcome } = await startNamedOrigin(onTestFinished, ["127.0.0.1", nat64], here);
      expect(await outcome()).toBe(refused);
      expect(origin.connections).toBe(0);
    },
  );

  test("a private A record refuses the name also if its NAT64 address is there", async ({ onTestFinished }) => {
    const { origin, outcome } = await startNamedOrigin(onTestFinished, ["127.0.0.1", "64:ff9b::127.0.0.1"]);
    expect(await outcome()).toBe(refused);
    expect(origin.connections).toBe(0);
  });

  test("a denied prefix leaves the A record, which a DNS64 has mapped", async ({ onTestFinished }) => {
    const options = { ...here, denyAddresses: ["64:ff9b::/96"] };
    const mapped = await startNamedOrigin(onTestFinished, ["127.0.0.1", "64:ff9b::127.0.0.1"], options);
    expect(await mapped.outcome()).toBe("ok");
    const other = await startNamedOrigin(onTestFinished, ["127.0.0.1", "64:ff9b::8.8.8.8"], options);
    expect(await other.outcome()).toBe(refused);
  });

  test.for(["64:ff9b::7f00:1", "64:ff9b::808:808"])(
    "[%s] in a URL is refused, also in a redirect",
    async (address, { onTestFinished }) => {
      const origin = await startOrigin(onTestFinished, (_request, response) => {
        response.writeHead(302, { Location: `http://[${address}]:${origin.port}/` }).end();
      });
      const { outcome } = createFetcher();
      expect(await outcome(`http://[${address}]:${origin.port}/`)).toBe(refused);
      expect(await outcome(origin.url("/"))).toBe(refused);
      expect(origin.connections).toBe(1);
    },
  );
});

/** Runs a command as root of a new user and network namespace, with 1.2.3.4 behind NAT64 and no IPv4 route. */
function runWithNat64(...command: string[]) {
  const setUp = 'ip link set lo up && ip -6 addr add 64:ff9b::102:304/128 dev lo && exec "$@"';
  return spawnSync("unshare", ["-rn", "sh", "-c", setUp, "sh", ...command], { encoding: "utf8", timeout: 30_000 });
}

test.skipIf(requires("network namespace with IPv6", runWithNat64("true").status === 0))(
  "in a network without IPv4, hosts that have only IPv4 are fetched through NAT64, and private ones are not",
  () => {
    const script = fileURLToPath(new URL("./nat64-network.ts", import.meta.url));
    const { stdout, stderr } = runWithNat64(process.execPath, "--import", "tsx", script);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({
      outcomes: {
        "v4only.example.net": "ok",
        "many.example.net": "ok",
        "synthesized.example.net": "ok",
        "private.example.net": refused,
        literal: refused,
      },
      connections: 3,
    });
  },
);
