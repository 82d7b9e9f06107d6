import sharp from "sharp";

/** What people post, made anew for each run. */
export interface Picture {
  readonly name: string;
  readonly type: string;
  readonly body: Buffer;
  /** Cold lookups of it that a round makes. */
  readonly lookupsARound: number;
}

/** The detail of a photo: noise that was enlarged, so that neither the coder nor the decoder has it easy. */
async function makePhoto(width: number, height: number, quality: number): Promise<Buffer> {
  const noise = { type: "gaussian" as const, mean: 128, sigma: 60 };
  const create = { width: width >> 3, height: height >> 3, channels: 3 as const, background: "gray", noise };
  const coarse = await sharp({ create }).png().toBuffer();
  return sharp(coarse).resize(width, height).jpeg({ quality }).toBuffer();
}

/** A phone's screen full of text. */
async function makeScreenshot(width: number, height: number): Promise<Buffer> {
  const lines = Array.from(
    { length: Math.floor(height / 40) },
    (_, line) =>
      `<text x="40" y="${line * 40 + 40}" font-size="28">${`line ${line} of what somebody wrote `.repeat(3)}</text>`,
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#fafafa"/>${lines.join("")}</svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

/** A photo as chat clients scale it down, one as the camera made it, and a screenshot. */
export async function makePictures(): Promise<Picture[]> {
  const chat = { type: "image/jpeg", body: await makePhoto(1600, 1200, 85), lookupsARound: 120 };
  const camera = { type: "image/jpeg", body: await makePhoto(4000, 3000, 85), lookupsARound: 24 };
  const screen = { type: "image/png", body: await makeScreenshot(1080, 2340), lookupsARound: 60 };
  const named = (what: string, picture: Omit<Picture, "name">): Picture => ({
    ...picture,
    name: `${what}, ${Math.round(picture.body.byteLength / 1000)} kB`,
  });
  return [named("1600 x 1200 JPEG", chat), named("4000 x 3000 JPEG", camera), named("1080 x 2340 PNG of text", screen)];
}
