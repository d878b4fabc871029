// The section where a voice is made: a recording, its words, a name, consent.

import { askJson, sentence } from "./api.js";
import { announce, complain, find, guarded, language, make, question, seconds, typed, waiting } from "./dom.js";
import { grow, present, silence, start as startListening } from "./listening.js";
import { WHY_NOT, Recorder, possible } from "./recorder.js";
import { Peaks, decoded, length, loudness, wavOfSamples } from "./sound.js";
import { hush } from "./speaking.js";
import { about, status, voices } from "./state.js";
import { play } from "./voices.js";

const TAKEN = /\.(wav|flac|ogg|opus|mp3|aiff?)$/i;  // as the server reads them
const MOST_SECONDS = 60;
const LANGUAGES = ["en", "de", "es", "fr", "it", "nl"];
const READING = {
  en: "When the sun comes up, I open the window and listen for a while. The street is still quiet, a bird sings in the old tree, and somewhere a door falls shut. Then I make a cup of tea, and the day begins.",
  de: "Wenn die Sonne aufgeht, öffne ich das Fenster und höre eine Weile zu. Die Straße ist noch still, ein Vogel singt im alten Baum, und irgendwo fällt eine Tür zu. Dann koche ich mir einen Tee, und der Tag beginnt.",
  es: "Cuando sale el sol, abro la ventana y escucho un rato. La calle aún está tranquila, un pájaro canta en el viejo árbol y en algún lugar se cierra una puerta. Luego me preparo un té, y empieza el día.",
  fr: "Quand le soleil se lève, j'ouvre la fenêtre et j'écoute un moment. La rue est encore calme, un oiseau chante dans le vieil arbre, et quelque part une porte se ferme. Puis je me fais un thé, et la journée commence.",
  it: "Quando sorge il sole, apro la finestra e ascolto per un po'. La strada è ancora silenziosa, un uccello canta sul vecchio albero e da qualche parte si chiude una porta. Poi mi preparo un tè, e comincia la giornata.",
  nl: "Als de zon opkomt, open ik het raam en luister ik een tijdje. De straat is nog stil, een vogel zingt in de oude boom en ergens valt een deur dicht. Dan zet ik een kop thee, en begint de dag.",
};

const problem = find("#clip-problem"), record = find("#record"), drop = find("#drop");
let recorder = null, made = null, chosen;
let clip = null;  // the recording, once the server could read it
let judging = null;  // until then: ends when that is known
let most = Infinity;

/** Make the section work. */
export function start() {
  startListening();
  record.hidden = !possible;
  find("#no-microphone").hidden = possible;
  find("#no-microphone").textContent = WHY_NOT;
  record.addEventListener("click", () => waiting(record, problem, recorder ? recorded : begin));
  find("#file").addEventListener("change", ({ target }) => {
    if (target.files[0]) take(target.files[0]);
    target.value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
  }
  find("#transcribe").addEventListener("click", ({ target }) => waiting(target, find("#words-fault"), transcribe));
  find("#reading").addEventListener("click", () => {
    find("#clip-words").value = READING[primary()] || READING.en;
    announce("The words are in the field: read them aloud.");
  });
  find("#make-form").addEventListener("submit", (event) => {
    event.preventDefault();
    waiting(find("#make-go"), find("#make-problem"), send);
  });
  find("#made-play").addEventListener("click", ({ currentTarget }) => play(made, currentTarget, find("#made-problem")));
  find("#made-speak").addEventListener("click", () => {
    chosen = made.name;
    location.hash = "speak";
  });
  find("#made-more").addEventListener("click", () => {
    again();
    find("#make-title").focus();
  });
}

/** Come here. */
export async function enter() {
  again();
  status().then(know, () => {});  // an engine may have come or gone
  const found = await voices().catch(() => []);
  const primaries = [...found].map((one) => one.language.split(/[-_]/)[0]);
  const tags = [...new Set([...LANGUAGES, ...primaries])].filter(Boolean);
  const select = find("#new-language"), before = select.value || primaries[0] || "en";
  select.replaceChildren(...tags.map((tag) => make("option", { value: tag }, language(tag))));
  select.value = tags.includes(before) ? before : "en";
}

/** Go elsewhere: the microphone is let go of. */
export function leave() {
  if (recorder) recorded();
  silence();
}

/** Take what the status says that matters here. */
export function know(state) {
  most = state.upload_bytes;
  find("#transcribe").hidden = !state.transcribes;
  const engines = state.engines.filter(({ name }) => /^csm\b/.test(name));
  const mute = engines.every(({ phase }) => phase === "absent");
  const why = engines.length ? engines[0].detail : state.left_out.csm;
  find("#no-csm").hidden = !mute || !why;
  find("#no-csm").replaceChildren(make("p", {}, ...typed(sentence(
    `Recordings can be saved, but CSM, which speaks with them, cannot speak here: ${why}`))));
}

/** The voice that somebody wants to write something for, told once. */
export function latest() {
  const name = chosen;
  chosen = undefined;
  return name;
}

function again() {
  find("#made").hidden = true;
  find("#make-form").hidden = false;
}

const primary = () => find("#new-language").value.split("-")[0];

// --- the recording -----------------------------------------------------------------------------

async function begin() {
  hush();
  silence();
  let peaks;
  const mine = new Recorder((samples) => {
    peaks ??= new Peaks(mine.rate);
    peaks.add(samples);
    const long = peaks.values.length * 0.04;
    grow(peaks.values);
    record.textContent = `Stop (${long.toFixed(0)} s)`;
    const recent = loudness(peaks.values.slice(-25));
    find("#clip-name").textContent = long < 1 ? "Speak now" : `Level: ${recent.words}`;
    if (long >= MOST_SECONDS && recorder) recorded();
  });
  await mine.start();
  recorder = mine;
  clip = null;
  present();
  record.textContent = "Stop";
  record.classList.add("on");
  find("#clip").hidden = false;
  find("#verdict").replaceChildren();
  find("#clip-name").textContent = "Speak now";
  announce("It records.");
}

async function recorded() {
  const { rate } = recorder, samples = recorder.stop();
  recorder = null;
  record.textContent = "Record again";
  record.classList.remove("on");
  judging = show({ file: wavOfSamples(samples, rate), name: "recording.wav", samples, rate });
  await judging;
}

/** Take a file: as it is where the server reads its kind, else as this browser understands it. */
function take(file) {
  if (recorder) leave();
  silence();
  judging = guarded(problem, async () => {
    if (file.size > most) {
      throw new Error(`The file has ${megabytes(file.size)}, and ${megabytes(most)} are allowed: cut out 10 to 30 seconds of speech.`);
    }
    const found = await file.arrayBuffer().then(decoded).catch(() => null);
    const sent = !found || TAKEN.test(file.name) ? file : wavOfSamples(found.samples, found.rate);
    const name = sent === file ? file.name : `${file.name}.wav`;
    await show({ file: sent, name, ...(found || {}) }, file.name);
  });
}

/** Show a recording, which can be listened to at once, and have it judged. */
async function show(found, words = "") {
  clip = null;
  const peaks = present(found);
  find("#clip").hidden = false;
  find("#clip-name").textContent = words;
  find("#verdict").replaceChildren(make("li", { class: "hint" }, "It is being judged…"));
  try {
    const judged = await askJson("api/clips/judge", { method: "POST", body: formOf(found) });
    find("#verdict").replaceChildren(...verdict(judged, peaks));
    clip = found;
  } catch (error) {
    find("#verdict").replaceChildren();
    complain(problem, error);
  }
}

/** What is to be said of a recording: length, level, noise, and what will be done to it. */
function verdict({ seconds: long, doubts, changes }, peaks) {
  const about = (pattern) => doubts.find((doubt) => pattern.test(doubt));
  const kinds = [/is short/, /soft|overdriven/, /nois/];
  const [short, level, noise] = kinds.map(about);
  const ours = loudness(peaks);
  const line = (title, good, words) => make("li", { class: good ? "good" : "bad" },
    make("strong", {}, `${title}: `), words);
  const size = length(long);
  return [
    line("Length", size.good && !short, `${seconds(long)}, ${size.words}`),
    line("Level", !level && (ours.good || !peaks.length), level || ours.words),
    line("Noise", !noise, noise || "little"),
    ...doubts.filter((doubt) => !kinds.some((kind) => kind.test(doubt))).map((doubt) => line("Mind", false, doubt)),
    ...(peaks.length ? [] : [make("li", { class: "hint" }, "This browser cannot play it; the server reads it.")]),
    ...(changes.length ? [make("li", { class: "hint" }, `When it is saved: ${changes.join("; ")}.`)] : []),
  ];
}

// --- its words, and sending it -----------------------------------------------------------------

function formOf({ file, name }, fields = {}) {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) form.append(key, value);
  form.append("clip", file, name);
  return form;
}

async function checkClip() {
  if (recorder) throw new Error("It still records: press Stop first.");
  await judging;
  if (!clip) throw new Error("There is no recording yet: record one, or choose a file.");
}

async function transcribe() {
  await checkClip();
  const { text } = await askJson("api/clips/transcribe", { method: "POST",
    body: formOf(clip, { language: find("#new-language").value }) });
  find("#clip-words").value = text;
  find("#clip-words").focus();
  announce("The words are here: correct them, every word counts.");
}

async function send() {
  await checkClip();
  const name = find("#new-name").value.trim();
  const fields = { text: find("#clip-words").value.trim(), language: find("#new-language").value };
  const there = (await voices(true)).find((one) => one.name === name && one.kind === "recorded");
  if (there) {
    const sure = await question({ title: `Replace ${name}?`, action: "Replace", danger: true,
      words: "There is a voice of this name: its recording and its words are deleted." });
    if (!sure) return;
    fields.replace = "true";
  }
  const done = await askJson(`api/voices/${encodeURIComponent(name)}`, { method: "POST", body: formOf(clip, fields) });
  made = (await voices(true)).find((one) => one.name === done.name) || { name: done.name, language: fields.language, description: "" };
  find("#make-form").reset();
  find("#clip").hidden = true;
  present();
  clip = null;
  record.textContent = "Record";
  find("#make-form").hidden = true;
  find("#made").hidden = false;
  find("#made-title").textContent = `${done.name} is saved`;
  const doubts = done.doubts.filter((doubt) => doubt !== made.fault);
  find("#made-doubts").replaceChildren(...doubts.map((doubt) => make("li", { class: "bad" }, ...typed(doubt))));
  find("#made-hint").replaceChildren(...typed(made.fault ? sentence(made.fault) : about(made)));
  find("#made-hint").classList.toggle("bad", Boolean(made.fault));
  find("#made-title").focus();
  if (!made.fault) play(made, find("#made-play"), find("#made-problem"));
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
