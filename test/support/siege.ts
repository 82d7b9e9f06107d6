import { setTimeout as after } from "node:timers/promises";
import sharp from "sharp";
import type { Decoder, Picture } from "../../src/media/decoder.ts";
import type { Bomb } from "./bombs.ts";
import { formatNamed } from "./decoder.ts";
import { noise } from "./images.ts";

/** What stands for all the pictures that people post: 64 x 64 pixels, opaque noise. */
export const healthyPng: Buffer = await sharp(noise(64, 64, 1), { raw: { width: 64, height: 64, channels: 4 } })
  .png()
  .toBuffer();

/** Waits until the time is over, and starts something at the given rate, whether or not what was started before is done. */
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
  /** Of the healthy picture, in milliseconds, ascending. */
  readonly latencies: readonly number[];
  /** Healthy pictures without their hash. */
  readonly incomplete: number;
  /** How often each bomb ended how: `AVIF of 50 megapixels: too_many_pixels`. */
  readonly ends: ReadonlyMap<string, number>;
}

/**
 * Has each bomb described again as soon as it was, or after a pause, all at once, and a healthy picture beside them 20
 * times a second.
 */
export async function besiege(
  describe: (body: Bomb) => Promise<Pick<Picture, "blurhash" | "warning">>,
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

/** Kills a process every second, one that works where there is one, under 20 healthy pictures a second. */
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

export function quantileOf(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(share * ascending.length))]!;
}
