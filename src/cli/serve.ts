import closeWithGrace from "close-with-grace";
import { pino } from "pino";
import { compose } from "../compose.ts";
import { checkFiles, type Config } from "../config.ts";
import { traceOf } from "../domain/error-trace.ts";
import { type Context, dependenciesFor } from "./context.ts";
import { UnavailableError } from "./exit.ts";
import { boundYoungGeneration } from "./young-generation.ts";

// Connections that wait to be accepted. Beyond Node's 511 the kernel drops them, and each is tried again a second later. The
// kernel has a lower limit of its own (net.core.somaxconn): Linux 4096.
const backlog = 4096;

/**
 * Answers over HTTP until SIGTERM or SIGINT comes.
 *
 * @throws ConfigError if a file of the settings cannot be written
 * @throws UnavailableError if it cannot start
 */
export async function serve(config: Config, context: Context): Promise<void> {
  await checkFiles(config);
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
    if (config.METRICS_PORT !== null && service.metricsApp) {
      const address = await service.metricsApp.listen({ host: config.HOST, port: config.METRICS_PORT });
      logger.info(`metrics at ${address}/metrics`);
    }
    boundYoungGeneration();
    logger.info(`listening at ${await service.app.listen({ host: config.HOST, port: config.PORT, backlog })}`);
  } catch (error) {
    ending.uninstall(); // or it would end the process as if all were well
    await service.close();
    throw new UnavailableError(explainStartFailure(error, config), { cause: error });
  }
}

function explainStartFailure(error: unknown, { HOST, PORT, METRICS_PORT }: Config): string {
  const { code, message, port = PORT } = error as NodeJS.ErrnoException & { port?: number };
  const setting = port === METRICS_PORT ? "--metrics-port or MEDIA_ORACLE_METRICS_PORT" : "--port or MEDIA_ORACLE_PORT";
  const choose = `choose another one with ${setting}`;
  if (code === "EADDRINUSE") return `port ${port} of ${HOST} is in use by another program (${code}): ${choose}`;
  if (code === "EACCES") return `this user may not listen on port ${port} of ${HOST} (${code}): ${choose}`;
  return message;
}
