import { client, type Element, type Login, xml } from "@xmpp/client";
import { component } from "@xmpp/component";
import type { OnFinished, Prosody } from "./prosody.ts";

export { type Element, xml };

export const metadataNamespace = "xmpp:prosody.im/protocol/media-metadata#0";

const patienceMs = 10_000;

/** A connected user: a client, or a user of an external component. */
export interface Person {
  /** The full JID. */
  readonly jid: string;
  /** All received stanzas so far, oldest first. */
  readonly received: readonly Element[];
  send(stanza: Element): Promise<void>;
  /** Resolves to the first stanza, past or future, for which the predicate is true. */
  find(what: string, isIt: (stanza: Element) => boolean): Promise<Element>;
  /** Enters a room, or changes the nick there, and waits for the room's confirmation. */
  enter(room: string, nick: string): Promise<void>;
  /** Leaves a room, and waits for the room's confirmation. */
  leave(room: string, nick: string): Promise<void>;
  /** Sends a message to a room, with the given URLs out of band. */
  say(room: string, id: string, ...urls: string[]): Promise<void>;
  /** Waits for the room's copy of the message with this id. */
  hear(id: string): Promise<Element>;
  /** Waits for the error for the stanza with this id; returns the name of its condition. */
  refusal(id: string): Promise<string>;
  /** Sends an IQ request, and waits for the result. */
  ask(to: string, payload: Element, type?: "get" | "set"): Promise<Element>;
  /** Closes the connection without closing the stream. */
  vanish(): void;
}

/** Connects a client: anonymously, with an account of its own, or as a device of the given user. */
export async function connect(
  onFinished: OnFinished,
  { c2sPort, domain }: Pick<Prosody, "c2sPort" | "domain">,
  username?: string,
): Promise<Person> {
  // Set the mechanism: by default xmpp.js sends no password without TLS.
  const account =
    username === undefined ? {} : { credentials: (login: Login) => login({ username, password: "any" }, "PLAIN") };
  return open(onFinished, client({ service: `xmpp://127.0.0.1:${c2sPort}`, domain, ...account }));
}

/** Connects a user of an external component, like a gateway or a bot. */
export async function connectComponent(onFinished: OnFinished, prosody: Prosody): Promise<Person> {
  const { domain, port, secret } = prosody.component;
  return open(
    onFinished,
    component({ service: `xmpp://127.0.0.1:${port}`, domain, password: secret }),
    `robot@${domain}/x`,
  );
}

async function open(onFinished: OnFinished, entity: XmppEntity, user?: string): Promise<Person> {
  const received: Element[] = [];
  const waiting = new Set<(stanza: Element) => void>();
  entity.reconnect.stop();
  entity.on("error", () => undefined); // a lost connection shows as missing stanzas
  entity.on("stanza", (stanza) => {
    received.push(stanza);
    for (const look of waiting) look(stanza);
  });
  const jid = String(await entity.start());
  const from = user ?? jid;
  onFinished(() => void entity.socket?.destroy());

  const send = (stanza: Element): Promise<void> => entity.send(stanza);
  const find = (what: string, isIt: (stanza: Element) => boolean): Promise<Element> =>
    new Promise((resolve, reject) => {
      const found = received.find(isIt);
      if (found) return resolve(found);
      const impatience = setTimeout(() => {
        waiting.delete(look);
        reject(new Error(`${from} waited in vain for ${what}; received:\n${received.map(String).join("\n")}`));
      }, patienceMs);
      const look = (stanza: Element): void => {
        if (!isIt(stanza)) return;
        clearTimeout(impatience);
        waiting.delete(look);
        resolve(stanza);
      };
      waiting.add(look);
    });
  let asked = 0;

  return {
    jid: from,
    received,
    send,
    find,
    async enter(room, nick) {
      const muc = xml("x", { xmlns: "http://jabber.org/protocol/muc" });
      await send(xml("presence", { from, to: `${room}/${nick}` }, muc));
      await find(`${nick} in ${room}`, (stanza) => isOwnPresence(stanza, `${room}/${nick}`, undefined));
    },
    async leave(room, nick) {
      await send(xml("presence", { from, to: `${room}/${nick}`, type: "unavailable" }));
      await find(`leave of ${room}`, (stanza) => isOwnPresence(stanza, `${room}/${nick}`, "unavailable"));
    },
    say: (room, id, ...urls) =>
      send(
        roomMessage(
          room,
          id,
          urls.map((url) => oob(url)),
          from,
        ),
      ),
    hear: (id) => find(`message ${id}`, (stanza) => isRoomMessage(stanza) && stanza.attrs.id === id),
    async refusal(id) {
      const error = await find(`error ${id}`, ({ attrs }) => attrs.id === id && attrs.type === "error");
      return error.getChild("error")!.getChildElements()[0]!.name;
    },
    async ask(to, payload, type = "get") {
      asked += 1;
      const id = `question-${asked}`;
      await send(xml("iq", { from, to, id, type }, payload));
      return find(`answer ${id}`, (stanza) => stanza.is("iq") && stanza.attrs.id === id);
    },
    vanish: () => void entity.socket?.destroy(),
  };
}

function isOwnPresence(stanza: Element, occupant: string, type: string | undefined): boolean {
  const user = stanza.getChild("x", "http://jabber.org/protocol/muc#user");
  const isOwn = user?.getChildren("status").some(({ attrs }) => attrs.code === "110") ?? false;
  return stanza.is("presence") && stanza.attrs.from === occupant && stanza.attrs.type === type && isOwn;
}

export function isRoomMessage(stanza: Element): boolean {
  return stanza.is("message") && stanza.attrs.type === "groupchat" && stanza.getChild("subject") === undefined;
}

/** An out-of-band URL (XEP-0066), as clients send it. */
export function oob(url: string, ...more: Element[]): Element {
  return xml("x", { xmlns: "jabber:x:oob" }, xml("url", {}, url), ...more);
}

export function roomMessage(room: string, id: string, children: readonly Element[], from?: string): Element {
  return xml("message", { from, to: room, id, type: "groupchat" }, xml("body", {}, `this is ${id}`), ...children);
}

/** Returns the room's metadata in order: one record for each out-of-band element, null if it has none. */
export function metadataOf(message: Element): (Record<string, string> | null)[] {
  return message.getChildren("x", "jabber:x:oob").map((x) => {
    const [metadata, ...others] = x.getChildren("metadata", metadataNamespace);
    if (others.length > 0) throw new Error(`more than one metadata in ${String(x)}`);
    return metadata ? Object.fromEntries(metadata.getChildElements().map((child) => [child.name, child.text()])) : null;
  });
}

/** Returns an element without the order of its attributes, which Prosody does not keep. */
export function shapeOf({ name, attrs, children }: Element): unknown {
  return { name, attrs, children: children.map((child) => (typeof child === "string" ? child : shapeOf(child))) };
}

/** Returns the ids of the room's messages in the order of arrival, without the history. */
export function heardIds(person: Person): string[] {
  const live = person.received.filter((stanza) => isRoomMessage(stanza) && !stanza.getChild("delay", "urn:xmpp:delay"));
  return live.map(({ attrs }) => attrs.id ?? "");
}

/** Queries the room's archive (XEP-0313); returns it oldest first. */
export async function archiveOf(person: Person, room: string): Promise<Element[]> {
  const before = person.received.length;
  await person.ask(room, xml("query", { xmlns: "urn:xmpp:mam:2" }), "set");
  const results = person.received.slice(before).flatMap((stanza) => stanza.getChildren("result", "urn:xmpp:mam:2"));
  return results.map((result) => result.getChild("forwarded", "urn:xmpp:forward:0")!.getChild("message")!);
}
