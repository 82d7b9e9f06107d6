import { readBmpSize } from "../bmp.ts";
import { readIconSize } from "../ico.ts";
import { readJxl } from "../jxl.ts";
import type { ReadPlan } from "../plan.ts";
import { readJ2cSize, readJp2Size } from "../jpeg2000.ts";
import { readPsdSize } from "../psd.ts";
import { readQoiSize } from "../qoi.ts";
import { readSvgSize } from "../svg.ts";
import { readTiffSize } from "../tiff.ts";
import { gifPlan } from "./gif.ts";
import { createHeifPlan } from "./heif.ts";
import { jpegPlan } from "./jpeg.ts";
import { pngPlan } from "./png.ts";
import { webpPlan } from "./webp.ts";
import { createWholePlan } from "./whole.ts";

const never = () => false;

const heicPlan = createHeifPlan({ animatedBrands: ["hevc", "hevx", "hevm", "hevs", "msf1"], byReader: true });

/** The read plans of pictures and documents, by the name of the format. */
export const picturePlans = {
  jpeg: jpegPlan,
  apng: pngPlan,
  png: pngPlan,
  gif: gifPlan,
  webp: webpPlan,
  avif: createHeifPlan({ animatedBrands: ["avis"], byReader: false }),
  heic: heicPlan,
  heif: heicPlan,
  jxl: createWholePlan({ readSize: readJxl, readAnimated: (body) => readJxl(body)?.isAnimated ?? null }),
  jp2: createWholePlan({ readSize: readJp2Size, hasPreview: false }),
  j2c: createWholePlan({ readSize: readJ2cSize, readAnimated: never, hasPreview: false }),
  tiff: createWholePlan({ readSize: readTiffSize, readAnimated: never }),
  bmp: createWholePlan({ readSize: readBmpSize, readAnimated: never }),
  ico: createWholePlan({ readSize: readIconSize, readAnimated: never }),
  psd: createWholePlan({ readSize: readPsdSize, hasPreview: false }),
  qoi: createWholePlan({ readSize: readQoiSize, readAnimated: never, hasPreview: false }),
  pdf: createWholePlan({}),
  svg: createWholePlan({ readSize: readSvgSize, readAnimated: never }),
  svgz: createWholePlan({ readSize: readSvgSize, readAnimated: never }),
} as const satisfies Record<string, ReadPlan>;
