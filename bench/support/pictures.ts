import sharp, { type Sharp } from "sharp";

/** A picture of a kind that people post, generated for each run. */
export interface Picture {
  readonly name: string;
  readonly type: string;
  readonly width: number;
  readonly height: number;
  readonly body: Buffer;
  /** Number of cold lookups of this picture in a round. */
  readonly lookupsARound: number;
}

/** Makes a picture with the detail of a photo: enlarged noise, which costs encoders and decoders as much as a photo. */
export async function takePhoto(width: number, height: number): Promise<Sharp> {
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

/** Draws a phone screenshot full of text. */
export async function drawScreenshot(width: number, height: number): Promise<Buffer> {
  const lines = Array.from(
    { length: Math.floor(height / 40) },
    (_, line) =>
      `<text x="40" y="${line * 40 + 40}" font-size="28">${`line ${line} of a written note `.repeat(3)}</text>`,
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#fafafa"/>${lines.join("")}</svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

const nameOf = (kind: string, { byteLength }: Buffer) => `${kind}, ${Math.round(byteLength / 1000)} kB`;

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

/** Makes a photo as scaled down by chat clients, a photo as taken by a camera, and a screenshot. */
export async function makePictures(): Promise<Picture[]> {
  return [await makePhoto(1600, 1200, "jpeg", 120), await makePhoto(4000, 3000, "jpeg", 24), await makeScreen(60)];
}

/** Makes photos of 100 kB to 2.7 MB, all baseline JPEG. */
export async function makePhotos(): Promise<Picture[]> {
  return [
    await makePhoto(768, 576, "jpeg", 60),
    await makePhoto(1600, 1200, "jpeg", 40),
    await makePhoto(2560, 1920, "jpeg", 30),
    await makePhoto(4000, 3000, "jpeg", 20),
  ];
}

/** Makes what people upload: photos of 100, 200 and 430 kB, a screenshot, and a photo as taken by a camera. */
export async function makeUploads(): Promise<Picture[]> {
  return [
    await makePhoto(768, 576, "jpeg", 60),
    await makePhoto(1088, 816, "jpeg", 60),
    await makePhoto(1600, 1200, "jpeg", 40),
    await makeScreen(30),
    await makePhoto(4000, 3000, "jpeg", 20),
  ];
}

/** Makes the photos, and one picture of each other format that people post. */
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
