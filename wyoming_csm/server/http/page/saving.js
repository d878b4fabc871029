// The sound of a text as a file: what was heard of it, or what is made of it for the file.

import { ask, speakOrSayWhy } from "./api.js";
import { save, wavOf } from "./sound.js";

const TOO_LARGE = 413;
let made = null;  // the last that was spoken for a file: another file of it is the same reading

/** Save a text as WAV or MP3. `heard` is what spoke last in the page: if it spoke this text, as
 * wished, to its end, the file is that. `warned` gets what is not as wished. Raises Problem. */
export async function saveAs(kind, { text, wish }, heard, warned) {
  const parts = await soundOf({ text, wish }, heard, warned);
  const wav = wavOf(parts);
  save(kind === "wav" ? wav : await converted(wav, kind), `${fileName(text)}.${kind}`);
}

async function soundOf(wanted, heard, warned) {
  if (!wanted.text.trim()) throw new Error("There is nothing to save: write a text.");
  if (heard?.whole && same(heard, wanted)) return heard.player.parts;
  if (!same(made, wanted)) {
    const parts = [];
    await speakOrSayWhy(wanted.text, wanted.wish,
      { sound: (part) => parts.push(part), warned, signal: new AbortController().signal });
    made = { ...wanted, parts };
  }
  return made.parts;
}

const same = (one, other) => JSON.stringify([one?.text, one?.wish]) === JSON.stringify([other.text, other.wish]);

async function converted(wav, kind) {
  try {
    return await (await ask(`api/convert?format=${kind}`, { method: "POST", body: wav })).blob();
  } catch (error) {
    if (error.status !== TOO_LARGE) throw error;
    throw new Error("It is too long to be made an MP3 here (limits.upload_bytes): save it as WAV.");
  }
}

function fileName(text) {
  const words = text.trim().split(/\s+/).slice(0, 5).join(" ");
  return words.replace(/[^\p{L}\p{N} -]/gu, "").slice(0, 40).trim() || "speech";
}
