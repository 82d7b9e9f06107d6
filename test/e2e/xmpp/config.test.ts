import { describe, expect, test } from "vitest";
import { startOrigin, startRawOrigin } from "../../support/origin.ts";
import { freePort, hasProsody, type OnFinished, type Prosody, startProsody } from "../../support/prosody.ts";
import { requires } from "../../support/require.ts";
import { startStandIn, summitElement } from "../../support/stand-in.ts";
import { connect, metadataOf } from "../../support/xmpp.ts";

const picture = "https://upload.example.net/summit.png";

/** Posts a picture in a room; returns its metadata. */
async function post(
  onFinished: OnFinished,
  prosody: Prosody,
  username?: string,
): Promise<ReturnType<typeof metadataOf>> {
  const room = prosody.room("lounge");
  const alice = await connect(onFinished, prosody, username);
  await alice.enter(room, "alice");
  await alice.say(room, "m1", picture);
  return metadataOf(await alice.hear("m1"));
}

function warnings(prosody: Prosody): string[] {
  return prosody
    .log()
    .split("\n")
    .filter((line) => /^\S+:muc_media_metadata\s+warn\s/.test(line));
}

async function warning(prosody: Prosody, pattern: RegExp): Promise<void> {
  await expect.poll(() => warnings(prosody).join("\n")).toMatch(pattern);
}

describe.skipIf(requires("Prosody", hasProsody()))("the configuration of a module", () => {
  test("wrong options are all named in the log, the module is not loaded, and messages pass unchanged", async ({
    onTestFinished,
  }) => {
    const prosody = await startProsody(onTestFinished, {
      module: {
        url: "127.0.0.1:8080",
        hosts: ["https://upload.example.net"],
        scop: "local-uploads",
        output: ["simms"],
      },
    });
    expect(await post(onTestFinished, prosody)).toEqual([null]);
    const [error] = prosody.errors();
    expect(error).toContain(
      "muc_media_metadata_url is the URL of the oracle's endpoint, as in http://127.0.0.1:8080/metadata, not \"127",
    );
    expect(error).toContain("muc_media_metadata_hosts has hosts without scheme, path or wildcard");
    expect(error).toContain("there is no option muc_media_metadata_scop");
    expect(error).toContain('muc_media_metadata_output has no "simms"');
  });

  test("an option of one-to-one messages that does not exist is named in the log", async ({ onTestFinished }) => {
    const oracle = await startStandIn(onTestFinished);
    const url = oracle.endpoint;
    const prosody = await startProsody(onTestFinished, { module: { url }, hostModule: { url, private: true } });
    expect(await post(onTestFinished, prosody, "alice")).toEqual([summitElement]);
    expect(prosody.errors().join("\n")).toContain("there is no option media_metadata_private");
  });

  test("an oracle that answers causes no warning, and is asked for its version once with the token", async ({
    onTestFinished,
  }) => {
    const tokens: unknown[] = [];
    const oracle = await startOrigin(onTestFinished, ({ method, url, headers }, response) => {
      tokens.push([method, url, headers.authorization]);
      response.end("{}");
    });
    const prosody = await startProsody(onTestFinished, {
      module: { url: oracle.url("/behind/a/proxy/metadata?x"), token: "s3cret", timeout: 0.5 },
    });
    await expect.poll(() => tokens).toEqual([["GET", "/behind/a/proxy/version", "Bearer s3cret"]]);
    await new Promise((resolve) => setTimeout(resolve, 700)); // longer than the timeout
    expect(warnings(prosody)).toEqual([]);
    expect(tokens).toHaveLength(1);
  });

  test("an oracle that is down causes one warning", async ({ onTestFinished }) => {
    const prosody = await startProsody(onTestFinished, {
      module: { url: `http://127.0.0.1:${await freePort()}/metadata` },
    });
    await warning(prosody, /The oracle does not answer \(.+\): .*muc_media_metadata_url/);
    expect(warnings(prosody)).toHaveLength(1);
  });

  test("an oracle that is silent causes a warning after the timeout, and the connection is closed", async ({
    onTestFinished,
  }) => {
    const peer = await startRawOrigin(onTestFinished, (socket) => void socket.resume());
    const prosody = await startProsody(onTestFinished, { module: { url: peer.url("/metadata"), timeout: 0.3 } });
    await warning(prosody, /The oracle does not answer \(no answer within 0\.3 s\)/);
    await peer.idle();
  });

  test("an oracle that refuses the token causes a warning with the option's name", async ({ onTestFinished }) => {
    const oracle = await startOrigin(onTestFinished, (_request, response) => void response.writeHead(401).end("{}"));
    const prosody = await startProsody(onTestFinished, { module: { url: oracle.url("/metadata") } });
    await warning(prosody, /status 401: see muc_media_metadata_token/);
  });

  test("the output sfs causes a warning if no host is known whose files have a hash", async ({ onTestFinished }) => {
    const oracle = await startStandIn(onTestFinished);
    const module = { url: oracle.endpoint, output: ["legacy", "sfs"] };
    const without = await startProsody(onTestFinished, { module });
    await warning(without, /The output sfs has no effect/);
    const uploads = await startProsody(onTestFinished, { module, hasUploads: true });
    expect(await post(onTestFinished, uploads)).toEqual([summitElement]);
    expect(warnings(uploads)).toEqual([]);
  });
});
