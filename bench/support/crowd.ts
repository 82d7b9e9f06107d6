/** A load test of a room on a real Prosody, while the oracle is healthy, slow, down and back. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { json } from "node:stream/consumers";
import { type OnFinished, freePort, type Prosody, startProsody } from "../../test/support/prosody.ts";
import { summit } from "../../test/support/stand-in.ts";
import { connect as connectClient, type Person, xml } from "../../test/support/xmpp.ts";
import { memoryOf, processorMsOf } from "./figures.ts";

export interface CrowdOptions {
  readonly occupants: number;
  /** Number of occupants who send messages, in turn. */
  readonly speakers: number;
  readonly messagesPerSecond: number;
  readonly phaseMs: number;
}

/** The oracle's delay in each phase (null: down), and an action on the module before or in the middle of the phase. */
const phases = [
  { name: "without the module", delayMs: 20, before: "unload", halfway: null },
  { name: "oracle responds in 20 ms", delayMs: 20, before: "load", halfway: null },
  { name: "oracle takes 1.5 s; module is reloaded", delayMs: 1500, before: null, halfway: "reload" },
  { name: "oracle is down", delayMs: null, before: null, halfway: null },
  { name: "oracle is back", delayMs: 20, before: null, halfway: null },
] as const;

export interface PhaseFigures {
  readonly name: string;
  readonly messages: number;
  readonly withMedia: number;
  readonly annotated: number;
  /** Time from sending until the first occupant receives the message: messages with media, and others. */
  readonly mediaMs: readonly number[];
  readonly plainMs: readonly number[];
  /** Ping times of a user who is not in the room. */
  readonly pingMs: readonly number[];
  /** Memory of Prosody's Lua at the end of the phase, after a garbage collection. */
  readonly heldBytes: number;
  /** Resident set of Prosody at the end of the phase. */
  readonly memoryBytes: number;
  /** CPU time of Prosody for each message of the phase. */
  readonly processorMs: number;
  /** Length of each message with media, as an occupant receives it. */
  readonly mediaBytes: readonly number[];
}

export interface CrowdFigures {
  readonly phases: readonly PhaseFigures[];
  readonly messages: number;
  /** Copies over all occupants: never received, received twice, and received before an earlier message of the same sender. */
  readonly lost: number;
  readonly doubled: number;
  readonly misplaced: number;
  readonly errors: readonly string[];
}

/** A sent message, and its first delivery. */
interface Sent {
  readonly at: number;
  readonly hasMedia: boolean;
  receivedMs: number | null;
  receivedBytes: number;
  isAnnotated: boolean;
}

/** Much more than the module's timeout, so that a busy machine does not make late messages count as lost. */
const settleMs = 30_000;

/** Lets the speakers talk through all phases, and measures each phase. */
export async function talk(onFinished: OnFinished, options: CrowdOptions): Promise<CrowdFigures> {
  const oracle = await startOracle(onFinished);
  const prosody = await startProsody(onFinished, { module: { url: oracle.endpoint, breaker_cooldown: 2 } });
  const crowd = await gather(onFinished, prosody, options.occupants);
  const outsider = await connectClient(onFinished, prosody);
  const change = (action: string) => prosody.shell(`module:${action}('muc_media_metadata', 'rooms.localhost')`);
  const pid = prosody.process.pid!;
  const figures: PhaseFigures[] = [];
  for (const { name, delayMs, before, halfway } of phases) {
    await oracle.setDelay(delayMs);
    if (before) await change(before);
    const processorBefore = processorMsOf(pid);
    const [sent, pingMs] = await Promise.all([
      chatter(crowd, options),
      pingUntil(outsider, prosody.domain, performance.now() + options.phaseMs),
      halfway && after(options.phaseMs / 2, () => change(halfway)),
    ]);
    await crowd.quiet(settleMs);
    const processorMs = (processorMsOf(pid) - processorBefore) / sent.length;
    const memoryBytes = memoryOf(pid);
    const heldBytes = await luaMemoryOf(prosody);
    figures.push({ name, pingMs, heldBytes, memoryBytes, processorMs, ...figuresOf(sent) });
  }
  return { phases: figures, ...crowd.tally(), errors: prosody.errors() };
}

async function luaMemoryOf(prosody: Prosody): Promise<number> {
  const [, kilobytes] = /Result: ([\d.]+)/.exec(
    await prosody.shell("> collectgarbage() collectgarbage() return collectgarbage('count')"),
  )!;
  return Number(kilobytes) * 1024;
}

function after<Result>(ms: number, act: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => setTimeout(() => void act().then(resolve, reject), ms));
}

/** Sends messages at a fixed rate. Every third one has a URL, and each URL is new. */
async function chatter(crowd: Crowd, { speakers, messagesPerSecond, phaseMs }: CrowdOptions): Promise<Sent[]> {
  const sent: Sent[] = [];
  const started = performance.now();
  const total = Math.round((phaseMs / 1000) * messagesPerSecond);
  while (sent.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * messagesPerSecond));
    while (sent.length < due) sent.push(crowd.say(sent.length % speakers, sent.length % 3 === 0));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return sent;
}

async function pingUntil(person: Person, domain: string, end: number): Promise<number[]> {
  const tookMs: number[] = [];
  while (performance.now() < end) {
    const started = performance.now();
    // A ping that times out on a busy machine counts with the time until then.
    await person.ask(domain, xml("ping", { xmlns: "urn:xmpp:ping" })).catch(() => null);
    tookMs.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return tookMs;
}

function figuresOf(sent: readonly Sent[]) {
  const receivedMs = (messages: readonly Sent[]): number[] => messages.flatMap((message) => message.receivedMs ?? []);
  const withMedia = sent.filter(({ hasMedia }) => hasMedia);
  return {
    messages: sent.length,
    withMedia: withMedia.length,
    annotated: sent.filter(({ isAnnotated }) => isAnnotated).length,
    mediaBytes: withMedia.map(({ receivedBytes }) => receivedBytes),
    mediaMs: receivedMs(withMedia),
    plainMs: receivedMs(sent.filter(({ hasMedia }) => !hasMedia)),
  };
}

interface Oracle {
  readonly endpoint: string;
  /** Sets the delay of responses; null closes the port. */
  setDelay(delayMs: number | null): Promise<void>;
}

async function startOracle(onFinished: OnFinished): Promise<Oracle> {
  const port = await freePort();
  let delay = 0;
  let server: Server | null = null;
  const close = (): void => {
    server?.closeAllConnections();
    server?.close();
    server = null;
  };
  onFinished(close);
  return {
    endpoint: `http://127.0.0.1:${port}/metadata`,
    async setDelay(delayMs) {
      if (delayMs === null) return close();
      delay = delayMs;
      if (server) return;
      server = createServer((request, response) => {
        if (request.url === "/version") return void response.end("{}");
        void json(request).then((question) => {
          const { url } = question as { url: string };
          setTimeout(() => response.end(JSON.stringify({ ...summit, url })), delay);
        });
      });
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    },
  };
}

interface Crowd {
  say(speaker: number, hasMedia: boolean): Sent;
  /** Resolves when all occupants have received all messages, or when nothing more arrives for this time. */
  quiet(settleMs: number): Promise<void>;
  tally(): { messages: number; lost: number; doubled: number; misplaced: number };
}

/**
 * Lets all occupants enter the room. They are users of one external component (XEP-0114), so that one connection carries all
 * their stanzas. Regular expressions search the stream instead of an XML parser: ten thousand stanzas a second should load
 * Prosody, not the client.
 */
async function gather(onFinished: OnFinished, prosody: Prosody, occupants: number): Promise<Crowd> {
  const room = prosody.room("crowd");
  const socket = await openComponent(onFinished, prosody);
  const sent = new Map<string, Sent>();
  const nextNumbers: number[] = []; // by speaker: number of the next message
  const received = Array.from({ length: occupants }, () => new Map<number, number>()); // by listener and speaker: last number
  let copies = 0;
  let doubled = 0;
  let misplaced = 0;
  let joined = 0;

  function receive(stanza: string): void {
    const [, listener] = /^[^>]* to=['"]person(\d+)@/.exec(stanza) ?? [];
    const [, id, speaker, number] = /^[^>]* id=['"]((\d+)-(\d+))['"]/.exec(stanza) ?? [];
    if (listener === undefined || id === undefined) return;
    const message = sent.get(id)!;
    message.receivedMs ??= performance.now() - message.at;
    message.receivedBytes = Buffer.byteLength(stanza);
    message.isAnnotated ||= stanza.includes("<blurhash>");
    copies += 1;
    const last = received[Number(listener)]!.get(Number(speaker)) ?? -1;
    if (Number(number) === last) doubled += 1;
    else if (Number(number) < last) misplaced += 1;
    else received[Number(listener)]!.set(Number(speaker), Number(number));
  }

  let rest = "";
  socket.on("data", (text: string) => {
    const stanzas = (rest + text).split(/(?<=<\/message>|<\/presence>)/);
    rest = stanzas.pop()!;
    if (/<\/(?:message|presence)>$/.test(rest)) {
      stanzas.push(rest);
      rest = "";
    }
    for (const stanza of stanzas) {
      if (stanza.includes("code='110'") || stanza.includes('code="110"')) joined += 1;
      else if (stanza.startsWith("<message")) receive(stanza);
    }
  });
  for (let person = 0; person < occupants; person += 1) {
    socket.write(
      `<presence from='person${person}@${prosody.component.domain}/x' to='${room}/person${person}'>` +
        `<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>`,
    );
  }
  if (!(await until(() => joined === occupants, 120_000))) throw new Error(`${joined} of ${occupants} entered`);

  return {
    say(speaker, hasMedia) {
      const number = nextNumbers[speaker] ?? 0;
      nextNumbers[speaker] = number + 1;
      const id = `${speaker}-${number}`;
      const url = `https://upload.example.net/${id}.png`;
      const oob = hasMedia ? `<x xmlns='jabber:x:oob'><url>${url}</url></x>` : "";
      const message: Sent = { at: performance.now(), hasMedia, receivedMs: null, receivedBytes: 0, isAnnotated: false };
      sent.set(id, message);
      socket.write(
        `<message from='person${speaker}@${prosody.component.domain}/x' to='${room}' id='${id}' type='groupchat'>` +
          `<body>${hasMedia ? url : "hello"}</body>${oob}</message>`,
      );
      return message;
    },
    async quiet(settleMs) {
      const isOver = () => copies >= sent.size * occupants;
      for (let before = -1; copies > before;) {
        before = copies;
        if (await until(isOver, settleMs)) return;
      }
      if (socket.closed) throw new Error("Prosody closed the connection");
    },
    tally: () => ({
      messages: sent.size,
      lost: Math.max(0, sent.size * occupants - (copies - doubled)),
      doubled,
      misplaced,
    }),
  };
}

async function openComponent(onFinished: OnFinished, { component }: Prosody): Promise<Socket> {
  const socket = connect(component.port, "127.0.0.1").setEncoding("utf8");
  onFinished(() => void socket.destroy());
  const namespaces = "xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'";
  socket.write(`<stream:stream ${namespaces} to='${component.domain}'>`);
  const [, stream] = /id=['"]([^'"]+)['"]/.exec(await read(socket, /<stream:stream[^>]*>/)) ?? [];
  const digest = createHash("sha1").update(`${stream}${component.secret}`).digest("hex");
  socket.write(`<handshake>${digest}</handshake>`);
  await read(socket, /<handshake/);
  return socket;
}

async function read(socket: Socket, pattern: RegExp): Promise<string> {
  let text = "";
  while (!pattern.test(text)) text += String((await once(socket, "data"))[0]);
  return text;
}

/** Waits until a condition is true; returns false after a timeout. */
async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  for (const end = performance.now() + timeoutMs; !condition();) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
