/** The naive contender, in process. */
import { answerLookups } from "./lookups.ts";
import { lookUpNaively } from "./naive-lookup.ts";

answerLookups(lookUpNaively);
