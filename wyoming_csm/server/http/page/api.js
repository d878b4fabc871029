// What the server is asked: every error becomes a Problem with words for people.

import { question } from "./dom.js";

const base = new URL("./", document.baseURI);
const TOKEN = "wyoming-csm token";
let asking = null;

/** Something that went wrong, in words. */
export class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const token = () => sessionStorage.getItem(TOKEN);

/** Ask people for the server's token, once however many need it; false: they have none. */
async function askForToken(wrong) {
  asking ??= question({
    title: "This server wants its token",
    words: `${wrong ? "That was not the token. " : ""}It stands in the file that http.token_file names,`
      + " and is forgotten when this tab closes.",
    action: "Go on",
    field: { label: "Token", type: "password" },
  });
  const given = await asking;
  asking = null;
  if (given) sessionStorage.setItem(TOKEN, given);
  return Boolean(given);
}

/** Send a request; `json` or `body` is what goes along. Returns the response. Raises Problem. */
export async function ask(path, { method = "GET", json, body, signal } = {}) {
  const used = token();
  const headers = {};
  if (used) headers.Authorization = `Bearer ${used}`;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(new URL(path, base), {
      method, headers, signal, cache: "no-store",
      body: json === undefined ? body : JSON.stringify(json),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server does not answer. Does it run, and is this device in its network?");
  }
  if (answer.status === 401) {
    const another = token() !== used;  // meanwhile somebody typed it
    if (another || await askForToken(Boolean(used))) {
      return ask(path, { method, json, body, signal });
    }
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

/** The same, for an answer in JSON. */
export async function askJson(path, more) {
  return (await ask(path, more)).json();
}

async function problemOf(answer) {
  let words;
  try {
    words = (await answer.json()).error.message;
  } catch {
    words = `something on the way to the server answered ${answer.status} ${answer.statusText}`;
  }
  words = sentence(words);
  const wait = answer.headers.get("Retry-After");
  if (answer.status === 503 && wait) words += ` Try again in ${wait} seconds.`;
  return new Problem(words, answer.status);
}

/** Words of the server as a sentence. */
export function sentence(words) {
  const whole = /^(?!csm\b|coqui\b)[a-z]+[\s,:]/.test(words) ? words[0].toUpperCase() + words.slice(1) : words;
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** Have a text spoken; `sound` (an ArrayBuffer) and `warned` (words) are called as it comes.
 * Resolves with its seconds. Raises Problem, AbortError. */
export function speak(text, { voice, speaker, speed }, { sound, warned, signal }) {
  return new Promise((resolve, reject) => {
    const address = new URL("api/stream", base);
    address.protocol = address.protocol.replace("http", "ws");
    const used = token();
    let socket;
    try {
      socket = new WebSocket(address, ["wyoming-csm", ...(used ? [`bearer.${used}`] : [])]);
    } catch (error) {
      reject(new Problem(`The browser cannot connect: ${error.message}`));
      return;
    }
    socket.binaryType = "arraybuffer";
    let opened = false;
    const end = (settle, value) => {
      settle(value);
      socket.onclose = socket.onmessage = null;
      socket.close();
    };
    signal.addEventListener("abort", () => end(reject, signal.reason));
    socket.onopen = () => {
      opened = true;
      socket.send(JSON.stringify({ type: "start", voice: voice || null, speaker: speaker || null, speed }));
      socket.send(JSON.stringify({ type: "text", text }));
      socket.send(JSON.stringify({ type: "end" }));
    };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") return sound(data);
      const message = JSON.parse(data);
      if (message.type === "start") message.warnings.forEach(warned);
      if (message.type === "warning") warned(message.message);
      if (message.type === "end") end(resolve, message.duration);
      if (message.type === "error") end(reject, new Problem(sentence(message.error.message)));
      return undefined;
    };
    socket.onclose = () => {
      if (opened) reject(new Problem("The connection broke off before the end of the text."));
      else reject(new Unopened());
    };
  });
}

/** A WebSocket was refused; browsers do not say why. */
class Unopened extends Error {}

/** As `speak`, but with the reason where the connection is refused, and again with a token. */
export async function speakOrSayWhy(text, wish, more) {
  try {
    return await speak(text, wish, more);
  } catch (error) {
    if (!(error instanceof Unopened)) throw error;
    const before = token();
    await ask("api/status", { signal: more.signal });  // says why, or asks for the token
    if (token() !== before) return speak(text, wish, more).catch(plainly);
    return plainly(error);
  }
}

function plainly(error) {
  if (!(error instanceof Unopened)) throw error;
  throw new Problem("The server answers, but lets no WebSocket through: does a proxy stand between?");
}
