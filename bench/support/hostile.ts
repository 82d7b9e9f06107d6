/** Serves every hostile origin of the tests, each on its own port. */
import { hostileOrigins } from "../../test/support/hostile.ts";
import {
  makeCertificates,
  type Origin,
  startRawOrigin,
  startSpeakingOrigin,
  startTlsOrigin,
} from "../../test/support/origin.ts";

export interface HostileCommand {
  readonly command: "listen" | "open";
}

/** URL of an origin, and the expected outcome of a fetch from it. */
export interface HostilePlace {
  readonly name: string;
  readonly expected: string;
  readonly url: string;
}
export type HostileReply = { places: HostilePlace[] } | { open: number[] };

const noCleanUp = () => undefined; // the end of the process closes all connections

async function startAll(): Promise<{ place: HostilePlace; origin: Origin }[]> {
  const speaking = hostileOrigins.map(async ({ name, speak, expected }) => {
    const origin = await startSpeakingOrigin(noCleanUp, speak);
    return { origin, place: { name, expected, url: origin.url("/") } };
  });
  const certificates = makeCertificates();
  const overTls = (["selfSigned", "expired", "wrongName"] as const).map(async (which) => {
    const origin = await startTlsOrigin(noCleanUp, certificates[which], (_request, response) => response.end());
    return { origin, place: { name: `TLS, ${which}`, expected: "source_unreachable tls", url: origin.url("/") } };
  });
  const hanging = await startRawOrigin(noCleanUp, () => undefined);
  const place = {
    name: "TLS, a handshake that hangs",
    expected: "source_unreachable timeout",
    url: hanging.url("/").replace("http", "https"),
  };
  return [...(await Promise.all([...speaking, ...overTls])), { origin: hanging, place }];
}

const all = startAll();

process.on("message", ({ command }: HostileCommand) => {
  void all.then((started) => {
    const reply: HostileReply =
      command === "listen"
        ? { places: started.map(({ place }) => place) }
        : { open: started.map(({ origin }) => origin.open) };
    process.send!(reply);
  });
});
process.on("disconnect", () => process.exit());
