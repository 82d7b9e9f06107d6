import type { OriginCounts, OriginOptions, OriginQuestion, OriginReply } from "./origin.ts";
import type { Picture } from "./pictures.ts";
import { startHelper } from "./processes.ts";

/** Where pictures are served, from a process of its own. */
export interface PicturesOrigin {
  /** What a service has to be allowed to ask it: a setting. */
  readonly allowed: { readonly ALLOW_ADDRESSES: string };
  /** A URL of the picture that nobody was given before, at its hosts in turn. */
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
  const helper = startHelper<OriginQuestion, OriginReply>("origin");
  const bodies = pictures.map(({ body, type }) => ({ body: body.toString("base64"), type }));
  const reply = await helper.ask({ listen: { pictures: bodies, ...near, ...options } });
  if (!("ports" in reply)) throw new Error("the origin did not listen");
  const { ports } = reply;
  let given = 0;
  const coldUrl = (picture: Picture) => {
    given += 1;
    return `http://127.0.0.1:${ports[given % ports.length]}/${pictures.indexOf(picture)}/${given}`;
  };
  return {
    allowed: { ALLOW_ADDRESSES: ports.map((port) => `127.0.0.1:${port}`).join() },
    coldUrl,
    coldUrls: (picture, count) => Array.from({ length: count }, () => coldUrl(picture)),
    async counts() {
      const counts = await helper.ask({ count: true });
      if (!("requests" in counts)) throw new Error("the origin did not count");
      return counts;
    },
    stop: () => helper.stop(),
  };
}
