/** Measures when a caller of the service knows each fact of a file. */
import { setTimeout as after } from "node:timers/promises";
import type { Pool } from "undici";
import type { Metadata } from "../../src/domain/metadata.ts";
import type { MadeFile } from "./everyday-files.ts";

export const factNames = ["type", "size", "dimensions", "duration", "animated", "blurhash"] as const;
export type FactName = (typeof factNames)[number];

export interface LookupOptions {
  /** The `fields` of all requests; null sends none. */
  readonly fields: readonly string[] | null;
  /** Deadline of a chat room, in milliseconds. */
  readonly roomDeadlineMs: number;
  /** Interval of the requests that sample the lookup. */
  readonly sampleEveryMs: number;
}

export interface FactTimes {
  /** Milliseconds from the first request to the first answer with the fact; absent if no answer had it. */
  readonly knownMs: Readonly<Partial<Record<FactName, number>>>;
  /** The facts that the answer at the room's deadline lacked. */
  readonly missingInRoom: readonly FactName[];
}

const shortestDeadlineMs = 50; // of the contract
// Rounding of containers and the priming samples of encoders. Bitrate estimates of a whole file are within it.
const durationToleranceMs = 250;

/** Returns the facts that a file of this kind has. */
export function factsOf({ facts }: MadeFile): FactName[] {
  return factNames.filter((name) => {
    if (name === "dimensions") return facts.size !== null;
    if (name === "duration") return facts.durationMs !== null;
    if (name === "animated") return facts.animated !== null;
    return name !== "blurhash" || facts.hasBlurhash;
  });
}

/** Whether the metadata has the fact. A wrong value does not count. */
function hasFact(name: FactName, metadata: Metadata, { facts, bytes }: MadeFile): boolean {
  const { durationMs } = metadata;
  switch (name) {
    case "type":
      return metadata.type === facts.type;
    case "size":
      return metadata.bytes === bytes;
    case "dimensions":
      return facts.size !== null && metadata.width === facts.size[0] && metadata.height === facts.size[1];
    case "duration":
      return durationMs !== null && Math.abs(durationMs - facts.durationMs!) <= durationToleranceMs;
    case "animated":
      return metadata.animated === facts.animated;
    case "blurhash":
      return metadata.blurhash !== null;
  }
}

/**
 * Looks up a URL as a room does, and samples the facts until the lookup has ended.
 *
 * One request has the room's deadline and one has none. Further ones with the shortest deadline are sent at intervals; they join the
 * lookup in progress (request coalescing), so their partial answers show the facts so far, at no cost for the origin.
 */
export async function timeFacts(
  service: Pool,
  url: string,
  file: MadeFile,
  { fields, roomDeadlineMs, sampleEveryMs }: LookupOptions,
): Promise<FactTimes> {
  const knownMs: Partial<Record<FactName, number>> = {};
  const names = factsOf(file);
  const began = performance.now();
  const ask = async (deadlineMs?: number): Promise<FactName[]> => {
    const body = JSON.stringify({ url, deadlineMs, fields: fields ?? undefined });
    const headers = { "content-type": "application/json" };
    const reply = await service.request({ method: "POST", path: "/metadata", headers, body });
    const answer = (await reply.body.json()) as Metadata;
    const known = reply.statusCode === 200 ? names.filter((name) => hasFact(name, answer, file)) : [];
    for (const name of known) knownMs[name] = Math.min(knownMs[name] ?? Infinity, performance.now() - began);
    return known;
  };
  const end = new AbortController();
  const whole = ask().finally(() => end.abort());
  const room = ask(roomDeadlineMs);
  const samples: Promise<unknown>[] = [];
  while (!end.signal.aborted) {
    samples.push(ask(shortestDeadlineMs));
    await after(sampleEveryMs);
  }
  await Promise.all([whole, ...samples]);
  const inRoom = await room;
  return { knownMs, missingInRoom: names.filter((name) => !inRoom.includes(name)) };
}
