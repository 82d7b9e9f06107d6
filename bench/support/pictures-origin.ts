import type { OriginCounts, OriginOptions, OriginQuestion, OriginReply } from "./origin.ts";
import type { Picture } from "./pictures.ts";
import { startHelper } from "./processes.ts";

/** Where pictures are served, from a process of its own. */
export interface PicturesOrigin {
  readonly port: number;
  /** A URL of the picture that nobody was given before. */
  coldUrl(picture: Picture): string;
  coldUrls(picture: Picture, count: number): string[];
  counts(): Promise<OriginCounts>;
  stop(): void;
}

const atOnce: OriginOptions = { delayMs: 0, bytesPerSecond: null };

export async function startPicturesOrigin(
  pictures: readonly Picture[],
  options: OriginOptions = atOnce,
): Promise<PicturesOrigin> {
  const helper = startHelper<OriginQuestion, OriginReply>("origin");
  const bodies = pictures.map(({ body, type }) => ({ body: body.toString("base64"), type }));
  const reply = await helper.ask({ listen: { pictures: bodies, ...options } });
  if (!("port" in reply)) throw new Error("the origin did not listen");
  const { port } = reply;
  let given = 0;
  const coldUrl = (picture: Picture) => {
    given += 1;
    return `http://127.0.0.1:${port}/${pictures.indexOf(picture)}/${given}`;
  };
  return {
    port,
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
