// The section where a text is written and heard.

import { askJson, sentence } from "./api.js";
import { announce, complain, find, guarded, make, seconds, typed, waiting, warn } from "./dom.js";
import { saveAs } from "./saving.js";
import { Speaking } from "./speaking.js";
import { about, grouped, sample, speakerOptions, voices } from "./state.js";
import { Wave } from "./wave.js";

const WORDS_WAIT = 300;  // ms without a key until the words are asked for
const COUNT_FROM = 0.8;  // of the longest text: then it is counted
const LAST_TEXT = "wyoming-csm text";

const text = find("#text"), voice = find("#voice"), speaker = find("#speaker"), speed = find("#speed");
const go = find("#go");
const problem = find("#speak-problem");
let wave, speaking = null, playing = null, most = Infinity;

/** Make the section work. */
export function start() {
  wave = new Wave(find("#wave"));
  text.value = sessionStorage.getItem(LAST_TEXT) || "";
  find("#speak-form").addEventListener("submit", (event) => {
    event.preventDefault();
    toggle();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      toggle();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !find("dialog[open]")) playing?.stop();
  });
  text.addEventListener("input", written);
  voice.addEventListener("change", () => {
    chosen();
    written();
  });
  speed.addEventListener("input", () => {
    find("#speed-said").textContent = Number(speed.value).toFixed(2);
  });
  find("#again").addEventListener("click", again);
  for (const kind of ["wav", "mp3"]) {
    find(`#${kind}`).addEventListener("click", ({ currentTarget }) => waiting(currentTarget, problem,
      () => saveAs(kind, { text: text.value, wish: wish() }, speaking, (words) => warn(problem, sentence(words)))));
  }
  grow();
}

/** Come here: the list of voices may be another. */
export async function enter(name = voice.value) {
  const found = await guarded(problem, () => voices());
  if (found) offer(found, name);
  written();
}

/** Take what the status says that matters here. */
export function know({ text_characters }) {
  most = text_characters;
  count();
}

function offer(found, name) {
  const first = found[0];
  const options = [];
  if (first) {
    options.push(make("option", { value: "" }, `Default: ${first.name}`));
    for (const [title, members] of grouped(found)) {
      options.push(make("optgroup", { label: title }, ...members.map((one) =>
        make("option", { value: one.name }, one.fault ? `${one.name} (cannot be used)` : one.name))));
    }
  }
  voice.replaceChildren(...options);
  voice.disabled = !first;
  voice.value = found.some((one) => one.name === name) ? name : "";
  chosen();
}

/** Say what is known of the voice that is chosen, and offer its speakers. */
async function chosen() {
  const found = await voices().catch(() => []);
  const one = voice.value ? found.find(({ name }) => name === voice.value) : found[0];
  find("#voice-hint").replaceChildren(...typed(one ? one.fault || about(one) : "There is no voice yet."));
  text.lang = find("#words-text").lang = one ? one.language : "en";
  const before = speaker.value;
  speaker.replaceChildren(...speakerOptions(one));
  if (one?.speakers.includes(before)) speaker.value = before;
  find("#speaker-field").hidden = !one?.speakers.length;
}

// --- speaking ----------------------------------------------------------------------------------

function toggle() {
  if (playing) {
    playing.stop();
    return;
  }
  complain(problem);
  if (!text.value.trim()) {
    text.value = sample(text.lang);
    written();
  }
  speaking = playing = new Speaking(text.value, wish(),
    { changed: show, warned: (words) => warn(problem, words), over });
  find("#told").hidden = false;
  goes(true);
  show(speaking);
}

function wish() {
  return { voice: voice.value || null, speaker: speaker.value || null, speed: Number(speed.value) };
}

function over(one) {
  if (one !== speaking) return;
  if (one.error) complain(problem, one.error);
  const { seconds: long } = one.player;
  announce(one.error ? "" : `Spoken: ${seconds(long)}, the first sound after ${seconds(one.first || 0)}.`);
  stopped();
}

function stopped() {
  playing = null;
  goes(false);
  show(speaking, 0);
}

function goes(on) {
  go.textContent = on ? "Stop" : "Speak";
  go.classList.toggle("on", on);
}

function show(one, played = one.played) {
  if (one !== speaking) return;
  const { player } = one;
  wave.show(player.peaks.values, played);
  find("#ttfa").textContent = one.first === null ? "–" : seconds(one.first);
  find("#rtf").textContent = one.factor === null ? "–" : one.factor.toFixed(2);
  find("#length").textContent = player.seconds ? seconds(player.seconds) : "–";
  find("#gaps-figure").hidden = !player.gaps;
  find("#gaps").textContent = player.gaps;
  find("#again").disabled = !player.parts.length || Boolean(playing);
}

function again() {
  if (!speaking?.player.parts.length) return;
  const { seconds: long } = speaking.player;
  playing = speaking.again({
    changed: (player) => show(speaking, player.position / long),
    over: stopped,
  });
  goes(true);
}

// --- the words ---------------------------------------------------------------------------------

let due = null, asked = null;

function written() {
  grow();
  count();
  sessionStorage.setItem(LAST_TEXT, text.value);
  clearTimeout(due);
  asked?.abort();
  if (!text.value.trim()) {
    find("#words").hidden = true;
    return;
  }
  due = setTimeout(askForWords, WORDS_WAIT);
}

async function askForWords() {
  const mine = asked = new AbortController();
  find("#words").hidden = false;
  const said = await guarded(find("#words-problem"), () => askJson("api/words", {
    method: "POST", signal: mine.signal,
    json: { text: text.value, voice: voice.value || null },
  }));
  if (mine.signal.aborted) return;
  find("#words-text").replaceChildren(...(said ? said.sentences.flatMap(written_out) : []));
  if (said && !said.sentences.length) find("#words-text").append("Nothing: there are no words in it.");
}

/** A sentence, with what is read otherwise than it is written marked. */
function written_out({ text: words, pause, changes }) {
  if (pause) return [make("span", { class: "pause" }, `${seconds(pause)} of silence`), " "];
  const parts = [];
  let end = 0;
  for (const { from, to, before } of places(words, changes)) {
    parts.push(words.slice(end, from), make("mark", { title: before }, words.slice(from, to)));
    end = to;
  }
  return [...parts, words.slice(end), " "];
}

/** Where in the words changes are to be seen; the rules come in an order of their own. */
function places(words, changes) {
  const found = [];
  for (const { before, after } of [...changes].sort((a, b) => b.after.length - a.after.length)) {
    const what = after.trim();
    let from = what.length > 1 ? words.indexOf(what) : -1;
    const taken = (at) => found.some((one) => at < one.to && at + what.length > one.from);
    while (from >= 0 && taken(from)) from = words.indexOf(what, from + 1);
    if (from >= 0) found.push({ from, to: from + what.length, before: before.trim() });
  }
  return found.sort((a, b) => a.from - b.from);
}

function count() {
  const { length } = text.value;
  const element = find("#count");
  element.hidden = length < COUNT_FROM * most;
  element.textContent = `${length.toLocaleString("en")} of ${most.toLocaleString("en")} characters`;
  element.classList.toggle("bad", length > most);
}

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight + 2, innerHeight * 0.5)}px`;
}
