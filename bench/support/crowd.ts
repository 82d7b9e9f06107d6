/** A room full of people, who talk while the oracle is well, slow, away and well again. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { type OnFinished, freePort, type Prosody, startProsody } from "../../test/support/prosody.ts";
import { summit } from "../../test/support/stand-in.ts";
import { connect as connectClient, type Person, xml } from "../../test/support/xmpp.ts";
import { memoryOf, processorMsOf } from "./figures.ts";

export interface CrowdOptions {
  readonly occupants: number;
  /** Those of them who talk, in turn. */
  readonly speakers: number;
  readonly messagesPerSecond: number;
  readonly phaseMs: number;
}

/** How the oracle is while they talk, and what is done to the module: before they begin, or in the middle. */
const phases = [
  { name: "without the module", delayMs: 20, first: "unload", then: null },
  { name: "the oracle answers in 20 ms", delayMs: 20, first: "load", then: null },
  { name: "it takes 1.5 s; the module is reloaded", delayMs: 1500, first: null, then: "reload" },
  { name: "it is down", delayMs: null, first: null, then: null },
  { name: "it is back", delayMs: 20, first: null, then: null },
] as const;

export interface PhaseFigures {
  readonly name: string;
  readonly messages: number;
  readonly withMedia: number;
  readonly annotated: number;
  /** From sending to the first occupant's hearing, of messages with media and of the others. */
  readonly mediaMs: readonly number[];
  readonly plainMs: readonly number[];
  /** Of somebody who is not in the room. */
  readonly pingMs: readonly number[];
  /** Of what Prosody's Lua holds at the phase's end, when its garbage is collected. */
  readonly heldBytes: number;
  /** Of Prosody: at the phase's end, and for each message of the phase. */
  readonly memoryBytes: number;
  readonly processorMs: number;
}

export interface CrowdFigures {
  readonly phases: readonly PhaseFigures[];
  readonly messages: number;
  /** Over all occupants: copies that never came, that came again, and that came before an earlier one of their sender. */
  readonly lost: number;
  readonly doubled: number;
  readonly misplaced: number;
  readonly errors: readonly string[];
}

/** What was sent, until it is heard. */
interface Sent {
  readonly at: number;
  readonly hasMedia: boolean;
  heardMs: number | null;
  isAnnotated: boolean;
}

/** Much more than the module's timeout: on a machine that does other things as well, what is under way is not lost. */
const settleMs = 30_000;

export async function talk(onFinished: OnFinished, options: CrowdOptions): Promise<CrowdFigures> {
  const oracle = await startOracle(onFinished);
  const prosody = await startProsody(onFinished, { module: { url: oracle.endpoint, breaker_cooldown: 2 } });
  const crowd = await gather(onFinished, prosody, options.occupants);
  const outsider = await connectClient(onFinished, prosody);
  const change = (what: string) => prosody.shell(`module:${what}('muc_media_metadata', 'rooms.localhost')`);
  const pid = prosody.process.pid!;
  const figures: PhaseFigures[] = [];
  for (const { name, delayMs, first, then } of phases) {
    await oracle.become(delayMs);
    if (first) await change(first);
    const processorBefore = processorMsOf(pid);
    const [sent, pingMs] = await Promise.all([
      chatter(crowd, options),
      pingUntil(outsider, prosody.domain, performance.now() + options.phaseMs),
      then && after(options.phaseMs / 2, () => change(then)),
    ]);
    await crowd.quiet(settleMs);
    const processorMs = (processorMsOf(pid) - processorBefore) / sent.length;
    const memoryBytes = memoryOf(pid);
    const heldBytes = await heldBy(prosody);
    figures.push({ name, pingMs, heldBytes, memoryBytes, processorMs, ...figuresOf(sent) });
  }
  return { phases: figures, ...crowd.tally(), errors: prosody.errors() };
}

async function heldBy(prosody: Prosody): Promise<number> {
  const [, kilobytes] = /Result: ([\d.]+)/.exec(
    await prosody.shell("> collectgarbage() collectgarbage() return collectgarbage('count')"),
  )!;
  return Number(kilobytes) * 1024;
}

function after<Result>(ms: number, act: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => setTimeout(() => void act().then(resolve, reject), ms));
}

/** Every third message has a URL, and each URL is new. */
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
    // Later than a person of the tests waits: on a machine that does much else, that is told as the time it took.
    await person.ask(domain, xml("ping", { xmlns: "urn:xmpp:ping" })).catch(() => null);
    tookMs.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return tookMs;
}

function figuresOf(sent: readonly Sent[]) {
  const heardMs = (those: readonly Sent[]): number[] => those.flatMap((one) => one.heardMs ?? []);
  const withMedia = sent.filter(({ hasMedia }) => hasMedia);
  return {
    messages: sent.length,
    withMedia: withMedia.length,
    annotated: sent.filter(({ isAnnotated }) => isAnnotated).length,
    mediaMs: heardMs(withMedia),
    plainMs: heardMs(sent.filter(({ hasMedia }) => !hasMedia)),
  };
}

interface Oracle {
  readonly endpoint: string;
  /** Answers after so long from now on, or not at all: then its port is closed. */
  become(delayMs: number | null): Promise<void>;
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
    async become(delayMs) {
      if (delayMs === null) return close();
      delay = delayMs;
      if (server) return;
      server = createServer((request, response) => {
        request.resume();
        setTimeout(() => response.end(JSON.stringify(summit)), delay);
      });
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    },
  };
}

interface Crowd {
  say(speaker: number, hasMedia: boolean): Sent;
  /** Resolves when all that was sent has been heard by all, or when nothing more was heard for so long. */
  quiet(patienceMs: number): Promise<void>;
  tally(): { messages: number; lost: number; doubled: number; misplaced: number };
}

/**
 * All of them are users of one external component (XEP-0114), so that one connection carries what they send and hear. What
 * comes is not parsed but searched: ten thousand stanzas a second are to cost Prosody's time, not the listener's.
 */
async function gather(onFinished: OnFinished, prosody: Prosody, occupants: number): Promise<Crowd> {
  const room = prosody.room("crowd");
  const socket = await openComponent(onFinished, prosody);
  const sent = new Map<string, Sent>();
  const nextOf: number[] = []; // by speaker: the number of their next message
  const heard = Array.from({ length: occupants }, () => new Map<number, number>()); // by listener and speaker: the last number
  let copies = 0;
  let doubled = 0;
  let misplaced = 0;
  let joined = 0;

  function hear(stanza: string): void {
    const [, listener] = /^[^>]* to=['"]person(\d+)@/.exec(stanza) ?? [];
    const [, id, speaker, number] = /^[^>]* id=['"]((\d+)-(\d+))['"]/.exec(stanza) ?? [];
    if (listener === undefined || id === undefined) return;
    const message = sent.get(id)!;
    message.heardMs ??= performance.now() - message.at;
    message.isAnnotated ||= stanza.includes("<blurhash>");
    copies += 1;
    const last = heard[Number(listener)]!.get(Number(speaker)) ?? -1;
    if (Number(number) === last) doubled += 1;
    else if (Number(number) < last) misplaced += 1;
    else heard[Number(listener)]!.set(Number(speaker), Number(number));
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
      else if (stanza.startsWith("<message")) hear(stanza);
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
      const number = nextOf[speaker] ?? 0;
      nextOf[speaker] = number + 1;
      const id = `${speaker}-${number}`;
      const url = `https://upload.example.net/${id}.png`;
      const oob = hasMedia ? `<x xmlns='jabber:x:oob'><url>${url}</url></x>` : "";
      const message: Sent = { at: performance.now(), hasMedia, heardMs: null, isAnnotated: false };
      sent.set(id, message);
      socket.write(
        `<message from='person${speaker}@${prosody.component.domain}/x' to='${room}' id='${id}' type='groupchat'>` +
          `<body>${hasMedia ? url : "hello"}</body>${oob}</message>`,
      );
      return message;
    },
    async quiet(patienceMs) {
      const isOver = () => copies >= sent.size * occupants;
      for (let before = -1; copies > before;) {
        before = copies;
        if (await until(isOver, patienceMs)) return;
      }
      if (socket.closed) throw new Error("Prosody hung up");
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

async function read(socket: Socket, what: RegExp): Promise<string> {
  let text = "";
  while (!what.test(text)) text += String((await once(socket, "data"))[0]);
  return text;
}

/** False where it did not come to it in time. */
async function until(isSo: () => boolean, patienceMs: number): Promise<boolean> {
  for (const end = performance.now() + patienceMs; !isSo();) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
