import type { PackageName } from "../../src/media/formats/packages.ts";
import { contentTypes, named, zip } from "./zip.ts";

const office = (main: string) => zip(contentTypes(`application/vnd.${main}`));
const openXml = (main: string) => office(`openxmlformats-officedocument.${main}.main+xml`);
const openDocument = (kind: string) => named(`application/vnd.oasis.opendocument.${kind}`);

/** A small archive of each package format. */
export const packageHeads: Readonly<Record<PackageName, Buffer>> = {
  docx: openXml("wordprocessingml.document"),
  dotx: openXml("wordprocessingml.template"),
  docm: office("ms-word.document.macroEnabled.main+xml"),
  dotm: office("ms-word.template.macroEnabledTemplate.main+xml"),
  xlsx: openXml("spreadsheetml.sheet"),
  xltx: openXml("spreadsheetml.template"),
  xlsm: office("ms-excel.sheet.macroEnabled.main+xml"),
  xltm: office("ms-excel.template.macroEnabled.main+xml"),
  pptx: openXml("presentationml.presentation"),
  ppsx: openXml("presentationml.slideshow"),
  potx: openXml("presentationml.template"),
  pptm: office("ms-powerpoint.presentation.macroEnabled.main+xml"),
  ppsm: office("ms-powerpoint.slideshow.macroEnabled.main+xml"),
  potm: office("ms-powerpoint.template.macroEnabled.main+xml"),
  odt: openDocument("text"),
  ott: openDocument("text-template"),
  ods: openDocument("spreadsheet"),
  ots: openDocument("spreadsheet-template"),
  odp: openDocument("presentation"),
  otp: openDocument("presentation-template"),
  odg: openDocument("graphics"),
  otg: openDocument("graphics-template"),
  epub: named("application/epub+zip"),
  apk: zip({ name: "META-INF/MANIFEST.MF", content: "" }, { name: "classes.dex", content: "dex\n035\0" }),
  jar: zip({ name: "META-INF/MANIFEST.MF", content: "Manifest-Version: 1.0\n" }),
};
