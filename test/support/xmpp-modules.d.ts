/** Declares the parts of xmpp.js that the tests use: it has no types of its own. */
interface XmppEntity {
  on(event: "stanza", listener: (stanza: import("@xmpp/client").Element) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<{ toString(): string }>;
  stop(): Promise<unknown>;
  send(stanza: import("@xmpp/client").Element): Promise<void>;
  reconnect: { stop(): void };
  socket: import("node:net").Socket | null;
}

declare module "@xmpp/client" {
  export interface Element {
    readonly name: string;
    readonly attrs: Readonly<Record<string, string | undefined>>;
    readonly children: readonly (Element | string)[];
    is(name: string, xmlns?: string): boolean;
    getChild(name: string, xmlns?: string): Element | undefined;
    getChildren(name: string, xmlns?: string): Element[];
    getChildElements(): Element[];
    getChildText(name: string, xmlns?: string): string | null;
    text(): string;
    toString(): string;
  }
  export type Child = Element | string | null | undefined;
  export function xml(name: string, attributes?: Record<string, string | undefined>, ...children: Child[]): Element;
  export type Login = (credentials: { username: string; password: string }, mechanism: string) => Promise<void>;
  export function client(options: {
    service: string;
    domain: string;
    credentials?: (login: Login) => Promise<void>;
  }): XmppEntity;
}

declare module "@xmpp/component" {
  export function component(options: { service: string; domain: string; password: string }): XmppEntity;
}
