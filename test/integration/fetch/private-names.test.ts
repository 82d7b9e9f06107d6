import { describe, expect, test } from "vitest";
import { OracleError } from "../../../src/domain/errors.ts";
import { createResolver } from "../../../src/fetch/resolver.ts";
import { createFetcher, type FetcherOptions } from "../../support/fetch.ts";
import { startNameServer } from "../../support/name-server.ts";
import { startOrigin } from "../../support/origin.ts";

type OnTestFinished = Parameters<typeof startOrigin>[0];

/** Starts an origin that redirects to the `to` parameter, and a name server that has it at 127.0.0.1 under every name. */
async function startHomeNetwork(onTestFinished: OnTestFinished, options: FetcherOptions) {
  const origin = await startOrigin(onTestFinished, (request, response) => {
    const location = new URL(request.url ?? "", "http://a").searchParams.get("to");
    if (location === null) response.end("abc");
    else response.writeHead(302, { Location: location }).end();
  });
  const { servers } = await startNameServer(onTestFinished, (_name, family) => (family === "A" ? ["127.0.0.1"] : []));
  const fetcher = createFetcher({ resolve: createResolver({ timeoutMs: 5000, servers }), ...options });
  const at = (host: string, to?: string) =>
    `http://${host}:${origin.port}/${to === undefined ? "" : `?to=${encodeURIComponent(to)}`}`;
  return { ...fetcher, origin, at };
}

const home = { allowHosts: ["nas.lan", "*.corp", "media.example.net"] };

describe("private names that the operator allows", () => {
  test.for(["nas.lan", "files.corp"])(
    "%s is looked up, directly and by a redirect",
    async (host, { onTestFinished }) => {
      const { outcome, at, origin } = await startHomeNetwork(onTestFinished, home);
      expect(await outcome(at(host))).toBe("ok");
      expect(await outcome(at("media.example.net", at(host)))).toBe("ok");
      expect(origin.connections).toBe(3);
    },
  );

  test("an allowed private name is still judged by the address policy", async ({ onTestFinished }) => {
    const { outcome, at, origin } = await startHomeNetwork(onTestFinished, { ...home, allowAddresses: ["127.0.0.2"] });
    expect(await outcome(at("nas.lan"))).toBe("source_unreachable address");
    expect(origin.connections).toBe(0);
  });

  test("another private name is refused, directly and in a redirect", async ({ onTestFinished }) => {
    const { outcome, at, origin } = await startHomeNetwork(onTestFinished, home);
    expect(await outcome(at("router.lan"))).toBe("url_unsupported");
    expect(await outcome(at("nas.lan", at("router.lan")))).toBe("source_unreachable redirect");
    expect(origin.connections).toBe(1);
  });
});

test("a refused redirect or address names its host and the rule for the log, and no more of the URL", async ({
  onTestFinished,
}) => {
  const { open, at, origin } = await startHomeNetwork(onTestFinished, { ...home, denyAddresses: ["127.0.0.9"] });
  const refusalOf = (url: string) =>
    open(url).then(
      () => expect.unreachable(),
      (error: unknown) => (error as OracleError).refusal,
    );
  expect(await refusalOf(at("nas.lan", `http://router.lan:${origin.port}/secret?secret`))).toEqual({
    host: `router.lan:${origin.port}`,
    rule: "a host that is not allowed",
  });
  expect(await refusalOf(at("nas.lan", "http://user:secret@nas.lan/secret"))).toEqual({
    host: null,
    rule: "credentials",
  });
  const strict = await startHomeNetwork(onTestFinished, { denyAddresses: ["127.0.0.1"] });
  expect(await strict.open(strict.at("media.example.net")).catch((error: unknown) => error)).toMatchObject({
    refusal: { host: `media.example.net:${strict.origin.port}`, rule: "the address policy" },
  });
});
