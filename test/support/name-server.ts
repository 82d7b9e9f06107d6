import { createSocket } from "node:dgram";
import ipaddr from "ipaddr.js";

type OnTestFinished = (cleanUp: () => void) => void;
export type Family = "A" | "AAAA";

/** Responds to a DNS query: with addresses, with REFUSED, or not at all (null). */
export type Answers = (name: string, family: Family) => readonly string[] | "refused" | null;

/** Starts a minimal fake name server on this machine (RFC 1035 4.1). */
export async function startNameServer(onTestFinished: OnTestFinished, answers: Answers) {
  const socket = createSocket("udp4");
  let questions = 0;
  socket.on("message", (message, from) => {
    questions += 1;
    const labels: string[] = [];
    let at = 12;
    for (; message[at] !== 0; at += 1 + (message[at] ?? 0))
      labels.push(message.toString("latin1", at + 1, at + 1 + (message[at] ?? 0)));
    const question = message.subarray(12, at + 5);
    const answer = answers(labels.join("."), message.readUInt16BE(at + 1) === 1 ? "A" : "AAAA");
    if (answer === null) return;
    const records =
      answer === "refused" ? [] : answer.map((address) => record(question.readUInt16BE(question.length - 4), address));
    const head = Buffer.from(message.subarray(0, 12));
    head.writeUInt16BE(answer === "refused" ? 0x8185 : 0x8180, 2);
    head.writeUInt16BE(records.length, 6);
    head.fill(0, 8);
    socket.send(Buffer.concat([head, question, ...records]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  onTestFinished(() => socket.close());
  return {
    servers: [`127.0.0.1:${socket.address().port}`],
    get questions() {
      return questions;
    },
  };
}

function record(type: number, address: string): Buffer {
  const bytes = Buffer.from(ipaddr.parse(address).toByteArray());
  const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, bytes.length]);
  return Buffer.concat([head, bytes]);
}
