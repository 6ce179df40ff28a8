// Pictures: read, drawn and shown in this page only. No address of a picture is ever made.

const SIDE = 160; // pixels of a thumbnail

/** A file as a `data:` address. */
export function dataAddress(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
}

/** Draw a file small into `canvas`; false where it is no picture that can be drawn. */
export async function draw(canvas, file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    canvas.width = canvas.height = 1;
    return false;
  }
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return true;
}

/** Draw bare grey pixels (`data:image/x-portable-graymap`) as they are; their size, or null where they are none. */
export function drawGrey(canvas, address) {
  const raw = atob(address.slice(address.indexOf(",") + 1));
  const head = /^P5 (\d{1,4}) (\d{1,4}) 255\n/.exec(raw);
  if (!head) return null;
  const [width, height] = [Number(head[1]), Number(head[2])];
  if (!width || !height || raw.length !== head[0].length + width * height) return null;
  Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    image.data.fill(raw.charCodeAt(head[0].length + i), 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return { width, height };
}
