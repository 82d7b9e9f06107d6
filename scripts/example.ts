/** `npm run example`: draws the page's example picture, and records the service's response for it. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createClient } from "../src/client/client.ts";
import { startOrigin } from "../test/support/origin.ts";
import { startService } from "../test/support/service.ts";
import { paintSummit } from "./summit.ts";

const file = (name: string): string => fileURLToPath(new URL(`../page/${name}`, import.meta.url));

// The URL in the recorded response: example.org is a reserved name (RFC 2606).
const url = "https://upload.example.org/a/summit.jpg";

const cleanUps: (() => void | Promise<void>)[] = [];
try {
  const summit = await paintSummit();
  const origin = await startOrigin(
    (cleanUp) => void cleanUps.push(cleanUp),
    (_request, response) => {
      response.setHeader("content-type", "image/jpeg").end(summit);
    },
  );
  const service = await startService({ ALLOW_ADDRESSES: `127.0.0.1/32:${origin.port}` });
  cleanUps.push(async () => void (await service.stop()));
  const answer = await createClient({ baseUrl: service.url }).describe(origin.url("/a/summit.jpg"));
  writeFileSync(file("example.jpg"), summit);
  writeFileSync(
    file("example.json"),
    `${JSON.stringify({ ...answer, metadata: { ...answer.metadata, url } }, null, 2)}\n`,
  );
} finally {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
}
