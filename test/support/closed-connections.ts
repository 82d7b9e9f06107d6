import { beforeEach } from "vitest";

// A turn of the event loop: hooks run for seconds without one, in ffmpeg or openssl. Meanwhile a service may have closed
// its idle connection, and a request on it would fail.
beforeEach(() => new Promise<void>((resolve) => setImmediate(resolve)));
