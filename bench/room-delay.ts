/** `npm run bench:room-delay`: how much later a room hears a message with a picture, by what becomes of the lookup. */
import { freePort, type Prosody, startProsody } from "../test/support/prosody.ts";
import { type Service, startService } from "../test/support/service.ts";
import { connect, metadataOf, type Person } from "../test/support/xmpp.ts";
import { printMachine } from "./support/machine.ts";
import { type PicturesOrigin, startPicturesOrigin } from "./support/pictures-origin.ts";
import { makePhotos, type Picture } from "./support/pictures.ts";
import { roundsOr } from "./support/rounds.ts";
import { median, printBar, printTable, quantile } from "./support/table.ts";

const rounds = roundsOr(4);
const messagesARound = 10;
const farMessagesARound = 3; // two seconds each
const breakerFailures = 5; // in a row, and it opens
const far = { delayMs: 100, bytesPerSecond: 250_000 };

/** From saying to the other's hearing. */
interface Heard {
  readonly ms: number;
  readonly isAnnotated: boolean;
  readonly isWhole: boolean;
}

const ends: (() => void | Promise<void>)[] = [];
const later = (end: () => void | Promise<void>) => void ends.push(end);

const [small, middle] = (await makePhotos()) as [Picture, Picture];
const near = await startOrigin();
const away = await startOrigin(far);
const port = await freePort();
const prosody = await startProsody(later, { module: { url: `http://127.0.0.1:${port}/metadata` } });
const room = prosody.room("lounge");
const [alice, bob] = await Promise.all([connect(later, prosody), connect(later, prosody)]);

async function startOrigin(options = {}): Promise<PicturesOrigin> {
  const origin = await startPicturesOrigin([small, middle], options);
  later(() => origin.stop());
  return origin;
}
