/** Every hostile origin of the tests, each on a port of its own. */
import { hostileOrigins } from "../../test/support/hostile.ts";
import {
  makeCertificates,
  type Origin,
  startRawOrigin,
  startSpeakingOrigin,
  startTlsOrigin,
} from "../../test/support/origin.ts";

export interface HostileQuestion {
  readonly question: "listen" | "open";
}

/** Where an origin is, and how a fetch from it has to end. */
export interface HostilePlace {
  readonly name: string;
  readonly expected: string;
  readonly url: string;
}
export type HostileReply = { places: HostilePlace[] } | { open: number[] };

const untilTheEnd = () => undefined; // the process ends, and with it all that was opened

async function startAll(): Promise<{ place: HostilePlace; origin: Origin }[]> {
  const speaking = hostileOrigins.map(async ({ name, speak, expected }) => {
    const origin = await startSpeakingOrigin(untilTheEnd, speak);
    return { origin, place: { name, expected, url: origin.url("/") } };
  });
  const certificates = makeCertificates();
  const overTls = (["selfSigned", "expired", "wrongName"] as const).map(async (which) => {
    const origin = await startTlsOrigin(untilTheEnd, certificates[which], (_request, response) => response.end());
    return { origin, place: { name: `TLS, ${which}`, expected: "source_unreachable tls", url: origin.url("/") } };
  });
  const hanging = await startRawOrigin(untilTheEnd, () => undefined);
  const place = {
    name: "TLS, a handshake that hangs",
    expected: "source_unreachable timeout",
    url: hanging.url("/").replace("http", "https"),
  };
  return [...(await Promise.all([...speaking, ...overTls])), { origin: hanging, place }];
}

const all = startAll();

process.on("message", ({ question }: HostileQuestion) => {
  void all.then((started) => {
    const reply: HostileReply =
      question === "listen"
        ? { places: started.map(({ place }) => place) }
        : { open: started.map(({ origin }) => origin.open) };
    process.send!(reply);
  });
});
process.on("disconnect", () => process.exit());
