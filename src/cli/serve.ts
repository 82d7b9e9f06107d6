import closeWithGrace from "close-with-grace";
import { pino } from "pino";
import { compose } from "../compose.ts";
import type { Config } from "../config.ts";
import type { Context } from "./context.ts";
import { UnavailableError } from "./exit.ts";

/** Answers over HTTP until SIGTERM or SIGINT comes. */
export async function serve(config: Config, { machine, decoderEnvironment }: Context): Promise<void> {
  const logger = pino({
    level: config.LOG_LEVEL,
    ...(process.stdout.isTTY && { transport: { target: "pino-pretty" } }),
  });
  const service = await compose(config, { logger, version: machine.version, decoderEnvironment });
  closeWithGrace({ delay: Math.max(1, config.SHUTDOWN_MS), logger: false }, async ({ err, signal }) => {
    if (err) logger.fatal({ err }, "ends because of an error nobody expected");
    else logger.info({ signal }, "shutting down");
    await service.close();
  });
  await service.start();
  const { HOST: host, PORT: port } = config;
  const address = await service.app.listen({ host, port }).catch(async (error: unknown) => {
    await service.close();
    throw new UnavailableError(error instanceof Error ? error.message : "cannot listen", { cause: error });
  });
  logger.info(`listening at ${address}`);
}
