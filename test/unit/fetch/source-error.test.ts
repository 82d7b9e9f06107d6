import { expect, test } from "vitest";
import { OracleError } from "../../../src/domain/errors.ts";
import { toSourceError } from "../../../src/fetch/source-error.ts";

const systemError = (code: string) => Object.assign(new Error(`connect ${code}`), { code, syscall: "connect" });

test.for(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])(
  "%s is a shortage of this machine: overloaded, not a failure of the host",
  (code) => {
    expect(toSourceError(systemError(code))).toMatchObject({ code: "overloaded", reason: undefined });
  },
);

test.for([
  ["ECONNREFUSED", "refused"],
  ["ECONNRESET", "reset"],
  ["ETIMEDOUT", "timeout"],
  ["EHOSTUNREACH", "network"],
  ["EADDRNOTAVAIL", "network"], // an address family that this machine does not have
  ["CERT_HAS_EXPIRED", "tls"],
  ["ECONNABORTED", "reset"],
  ["EPIPE", "reset"],
  ["EPROTO", "tls"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "tls"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls"],
] as const)("%s is an unreachable source, by reason %s", ([code, reason]) => {
  expect(toSourceError(systemError(code))).toMatchObject({ code: "source_unreachable", reason });
});

test.for([
  ["CERT_HAS_EXPIRED", "CERT_HAS_EXPIRED"],
  ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA"],
  ["ERR_SSL_any text\n", undefined],
  [`ERR_SSL_${"A".repeat(100)}`, undefined],
  ["ECONNRESET", undefined],
] as const)("of the error %s the log gets the TLS code %s: a short token, never text", ([code, tlsError]) => {
  expect(toSourceError(systemError(code)).tlsError).toBe(tlsError);
});

test("an error that is a failure already stays the same", () => {
  const failure = new OracleError("host_busy", "no room");
  expect(toSourceError(failure)).toBe(failure);
});

test.for([
  ["an unknown code", systemError("UNKNOWN")],
  ["a code that is no text", Object.assign(new Error("a"), { code: 111 })],
  ["no code", new TypeError("a")],
  ["another value", "ECONNREFUSED"],
  ["an object that is no error", { code: "ECONNREFUSED" }],
] as const)("%s is a bug, not a failure of the host", ([, error]) => {
  expect(toSourceError(error)).toMatchObject({ code: "internal" });
});
