import { settingTexts } from "../config.ts";
import type { Context } from "./context.ts";
import { settingFlags } from "./settings.ts";

/** Returns the settings as an environment file: defaults as comments, secrets as asterisks. */
export function configText(options: Readonly<Record<string, unknown>>, context: Context): string {
  const texts = settingTexts(context.environment, settingFlags(options, context), context.machine);
  return texts
    .map(({ variable, text, isDefault }) => `${isDefault ? "# " : ""}${variable}=${text ?? "********"}\n`)
    .join("");
}
