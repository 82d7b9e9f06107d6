import closeWithGrace from "close-with-grace";
import { pino } from "pino";
import { compose } from "../compose.ts";
import type { Config } from "../config.ts";
import { traceOf } from "../domain/error-trace.ts";
import { type Context, dependenciesFor } from "./context.ts";
import { UnavailableError } from "./exit.ts";
import { boundYoungGeneration } from "./young-generation.ts";

/** Answers over HTTP until SIGTERM or SIGINT comes. */
export async function serve(config: Config, context: Context): Promise<void> {
  const logger = pino({
    level: config.LOG_LEVEL,
    ...(process.stdout.isTTY && { transport: { target: "pino-pretty" } }),
  });
  const service = await compose(config, dependenciesFor(context, logger));
  const ending = closeWithGrace({ delay: Math.max(1, config.SHUTDOWN_MS), logger: false }, async ({ err, signal }) => {
    if (err) logger.fatal({ error: traceOf(err) }, "uncaught exception, shutting down");
    else logger.info({ signal }, "shutting down");
    await service.close();
  });
  try {
    await service.start();
    boundYoungGeneration();
    logger.info(`listening at ${await service.app.listen({ host: config.HOST, port: config.PORT })}`);
  } catch (error) {
    ending.uninstall(); // or it would end the process as if all were well
    await service.close();
    throw new UnavailableError(error instanceof Error ? error.message : "cannot start", { cause: error });
  }
}
