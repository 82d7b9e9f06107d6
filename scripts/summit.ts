import sharp from "sharp";

/** Draws a JPEG of 1600 x 1000 pixels, free of third-party rights: the example of the demo and of the page. */
export async function paintSummit(): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="1600" height="1000">
    <linearGradient id="sky" x2="0" y2="1"><stop stop-color="#27408b"/><stop offset="1" stop-color="#ffb27a"/></linearGradient>
    <rect width="1600" height="1000" fill="url(#sky)"/><circle cx="1180" cy="520" r="90" fill="#fff1c9"/>
    <path d="M0 1000 L0 760 L420 330 L760 720 L1020 520 L1600 860 L1600 1000 Z" fill="#2d3b4e"/>
    <path d="M420 330 L330 422 L420 400 L470 440 L510 433 Z" fill="#f4f7fb"/></svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality: 88 }).toBuffer();
}
