import sharp, { type Sharp } from "sharp";

/** What people post, made anew for each run. */
export interface Picture {
  readonly name: string;
  readonly type: string;
  readonly width: number;
  readonly height: number;
  readonly body: Buffer;
  /** Cold lookups of it that a round makes. */
  readonly lookupsARound: number;
}

/** The detail of a photo: noise that was enlarged, so that neither the coder nor the decoder has it easy. */
async function takePhoto(width: number, height: number): Promise<Sharp> {
  const noise = { type: "gaussian" as const, mean: 128, sigma: 60 };
  const create = { width: width >> 3, height: height >> 3, channels: 3 as const, background: "gray", noise };
  const coarse = await sharp({ create }).png().toBuffer();
  return sharp(coarse).resize(width, height);
}

const coders = {
  jpeg: { name: "JPEG", type: "image/jpeg", code: (pixels: Sharp) => pixels.jpeg({ quality: 85 }) },
  progressive: {
    name: "progressive JPEG",
    type: "image/jpeg",
    code: (pixels: Sharp) => pixels.jpeg({ quality: 85, progressive: true }),
  },
  webp: { name: "WebP", type: "image/webp", code: (pixels: Sharp) => pixels.webp() },
  gif: { name: "GIF", type: "image/gif", code: (pixels: Sharp) => pixels.gif() },
  avif: { name: "AVIF", type: "image/avif", code: (pixels: Sharp) => pixels.avif({ effort: 2 }) },
};

async function makePhoto(
  width: number,
  height: number,
  coder: keyof typeof coders,
  lookupsARound: number,
): Promise<Picture> {
  const { name, type, code } = coders[coder];
  const body = await code(await takePhoto(width, height)).toBuffer();
  return { name: nameOf(`${width} x ${height} ${name}`, body), type, width, height, body, lookupsARound };
}

/** A phone's screen full of text. */
async function drawScreenshot(width: number, height: number): Promise<Buffer> {
  const lines = Array.from(
    { length: Math.floor(height / 40) },
    (_, line) =>
      `<text x="40" y="${line * 40 + 40}" font-size="28">${`line ${line} of what somebody wrote `.repeat(3)}</text>`,
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#fafafa"/>${lines.join("")}</svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

const nameOf = (what: string, { byteLength }: Buffer) => `${what}, ${Math.round(byteLength / 1000)} kB`;

async function makeScreen(lookupsARound: number): Promise<Picture> {
  const [width, height] = [1080, 2340];
  const body = await drawScreenshot(width, height);
  return {
    name: nameOf(`${width} x ${height} PNG of text`, body),
    type: "image/png",
    width,
    height,
    body,
    lookupsARound,
  };
}

/** A photo as chat clients scale it down, one as the camera made it, and a screenshot. */
export async function makePictures(): Promise<Picture[]> {
  return [await makePhoto(1600, 1200, "jpeg", 120), await makePhoto(4000, 3000, "jpeg", 24), await makeScreen(60)];
}

/** Photos of 100 kB to 2.7 MB, all baseline. */
export async function makePhotos(): Promise<Picture[]> {
  return [
    await makePhoto(768, 576, "jpeg", 60),
    await makePhoto(1600, 1200, "jpeg", 40),
    await makePhoto(2560, 1920, "jpeg", 30),
    await makePhoto(4000, 3000, "jpeg", 20),
  ];
}

/** One of each format that people post. */
export async function makeFormats(): Promise<Picture[]> {
  return [
    ...(await makePhotos()),
    await makePhoto(1600, 1200, "progressive", 20),
    await makeScreen(20),
    await makePhoto(1600, 1200, "webp", 20),
    await makePhoto(800, 600, "gif", 30),
    await makePhoto(1280, 960, "avif", 20),
  ];
}
