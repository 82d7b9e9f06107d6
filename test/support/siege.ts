import { setTimeout as after } from "node:timers/promises";
import sharp from "sharp";
import type { Decoder, Picture } from "../../src/media/decode/decoder.ts";
import type { Bomb } from "./bombs.ts";
import { formatNamed } from "./decoder.ts";
import { noise } from "./images.ts";

/** A typical harmless picture: 64 x 64 pixels of opaque noise. */
export const healthyPng: Buffer = await sharp(noise(64, 64, 1), { raw: { width: 64, height: 64, channels: 4 } })
  .png()
  .toBuffer();

/** Starts a task at a fixed rate for the given time, without waiting for earlier ones (an open load model); returns all results. */
export async function atRate<T>(aSecond: number, durationMs: number, start: () => Promise<T>): Promise<T[]> {
  const began = performance.now();
  const started: Promise<T>[] = [];
  for (let due = 0; due < durationMs; due += 1000 / aSecond) {
    await after(Math.max(0, began + due - performance.now()));
    started.push(start());
  }
  return Promise.all(started);
}

export interface Siege {
  /** Latencies of the healthy picture, in milliseconds, ascending. */
  readonly latencies: readonly number[];
  /** Number of healthy pictures that got no hash. */
  readonly incomplete: number;
  /** Number of results by bomb and result: `AVIF of 50 megapixels: too_many_pixels`. */
  readonly ends: ReadonlyMap<string, number>;
}

/**
 * Describes all bombs concurrently, each in an endless loop with an optional pause, and a healthy picture 20 times a second
 * at the same time.
 */
export async function besiege(
  describe: (picture: Bomb) => Promise<Pick<Picture, "blurhash" | "warning">>,
  bombs: readonly Bomb[],
  durationMs: number,
  pauseMs = 0,
): Promise<Siege> {
  let isOver = false;
  const ends = new Map<string, number>();
  const loops = bombs.map(async (bomb) => {
    while (!isOver) {
      const { blurhash, warning } = await describe(bomb);
      const end = `${bomb.name}: ${warning ?? (blurhash === null ? "nothing" : "hashed")}`;
      ends.set(end, (ends.get(end) ?? 0) + 1);
      await after(pauseMs);
    }
  });
  const healthy: Bomb = { name: "healthy", format: "png", body: healthyPng };
  const outcomes = await atRate(20, durationMs, async () => {
    const began = performance.now();
    const { blurhash } = await describe(healthy);
    return { latency: performance.now() - began, isWhole: blurhash !== null };
  });
  isOver = true;
  await Promise.all(loops);
  return {
    latencies: outcomes.map(({ latency }) => latency).sort((a, b) => a - b),
    incomplete: outcomes.filter(({ isWhole }) => !isWhole).length,
    ends,
  };
}

export interface Killing {
  readonly asked: number;
  readonly kills: number;
  readonly incomplete: number;
}

/** Kills a decoder worker every second, preferably a busy one, during 20 healthy pictures a second. */
export async function killEverySecond(decoder: Decoder, durationMs: number): Promise<Killing> {
  let kills = 0;
  const killer = setInterval(() => {
    const alive = decoder.children.filter(({ state }) => state === "busy" || state === "idle");
    const victim = alive.find(({ state }) => state === "busy") ?? alive[kills % alive.length];
    if (!victim) return;
    process.kill(victim.pid, "SIGKILL");
    kills += 1;
  }, 1000);
  const pictures = await atRate(20, durationMs, () => decoder.describe(healthyPng, formatNamed("png")));
  clearInterval(killer);
  return { asked: pictures.length, kills, incomplete: pictures.filter(({ blurhash }) => blurhash === null).length };
}

/** Returns a quantile of values in ascending order; `share` is 0 to 1. */
export function quantileOf(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(share * ascending.length))]!;
}
