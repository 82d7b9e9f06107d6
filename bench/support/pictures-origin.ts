import type { OriginCounts, OriginOptions, OriginCommand, OriginReply } from "./origin.ts";
import type { Picture } from "./pictures.ts";
import { startHelper } from "./processes.ts";

/** An origin that serves pictures from its own process. */
export interface PicturesOrigin {
  /** Setting that lets a service fetch from this origin. */
  readonly allowed: { readonly ALLOW_ADDRESSES: string };
  /** Returns a new URL of the picture, on the hosts in turn. */
  coldUrl(picture: Picture): string;
  coldUrls(picture: Picture, count: number): string[];
  counts(): Promise<OriginCounts>;
  stop(): void;
}

const near: OriginOptions = { delayMs: 0, bytesPerSecond: null, hosts: 1 };

export async function startPicturesOrigin(
  pictures: readonly Picture[],
  options: Partial<OriginOptions> = {},
): Promise<PicturesOrigin> {
  const helper = startHelper<OriginCommand, OriginReply>("origin");
  const bodies = pictures.map(({ body, type }) => ({ body: body.toString("base64"), type }));
  const reply = await helper.send({ listen: { pictures: bodies, ...near, ...options } });
  if (!("ports" in reply)) throw new Error("the origin did not listen");
  const { ports } = reply;
  let urlCount = 0;
  const coldUrl = (picture: Picture) => {
    urlCount += 1;
    return `http://127.0.0.1:${ports[urlCount % ports.length]}/${pictures.indexOf(picture)}/${urlCount}`;
  };
  return {
    allowed: { ALLOW_ADDRESSES: ports.map((port) => `127.0.0.1:${port}`).join() },
    coldUrl,
    coldUrls: (picture, count) => Array.from({ length: count }, () => coldUrl(picture)),
    async counts() {
      const counts = await helper.send({ count: true });
      if (!("requests" in counts)) throw new Error("the origin did not count");
      return counts;
    },
    stop: () => helper.stop(),
  };
}
