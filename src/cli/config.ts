import { settingTexts } from "../config.ts";
import type { Context } from "./context.ts";
import { settingFlags } from "./settings.ts";

/** The settings as a file of variables; those that nobody set are comments, secrets are asterisks. */
export function configText(options: Readonly<Record<string, unknown>>, context: Context): string {
  const texts = settingTexts(context.environment, settingFlags(options, context), context.machine);
  return texts
    .map(({ variable, text, isDefault }) => `${isDefault ? "# " : ""}${variable}=${text ?? "********"}\n`)
    .join("");
}
