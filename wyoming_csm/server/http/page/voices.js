// The section that lists the voices: heard, renamed, deleted, made anew.

import { ask, askJson } from "./api.js";
import { announce, complain, find, guarded, make, question, typed, warn } from "./dom.js";
import { Speaking, hush } from "./speaking.js";
import { about, grouped, sample, speakerOptions, voices } from "./state.js";

const MANY = 8;  // of an engine's own: then they are folded up
const problem = find("#voices-problem");

/** Come here: the list is asked for again. */
export async function enter() {
  const found = await guarded(problem, () => voices(true));
  if (found) show(found);
}

function show(found) {
  const list = find("#voices-list");
  const open = new Set([...list.querySelectorAll("details[open]")].map((one) => one.dataset.group));
  list.replaceChildren(...grouped(found).map(([title, members]) => {
    const items = make("ul", { class: "plainlist" }, ...members.map((one) => row(one, one === found[0])));
    if (members.length <= MANY || title === "Recorded") {
      return make("section", {}, make("h2", {}, title), items);
    }
    return make("details", { "data-group": title, open: open.has(title) },
      make("summary", {}, make("h2", {}, title), make("span", { class: "hint" }, `${members.length} voices`)),
      items);
  }));
  if (!found.length) list.append(make("p", { class: "hint" }, "No engine has a voice yet: see Status."));
  list.removeAttribute("aria-busy");
}

function row(voice, isDefault) {
  const { name, fault } = voice;
  const speaker = voice.speakers.length
    ? make("select", { "aria-label": `Speaker of ${name}` }, ...speakerOptions(voice)) : null;
  return make("li", { class: "voice", "data-voice": name },
    make("div", { class: "grow" },
      make("strong", {}, name), isDefault ? make("span", { class: "tag" }, "default") : null,
      make("p", { class: "hint" }, about(voice)),
      fault ? make("p", { class: "hint bad" }, ...typed(fault)) : null),
    make("div", { class: "actions" },
      speaker,
      make("button", { type: "button", class: "quiet", "aria-label": `Play ${name}`,
        onclick: (event) => play(voice, event.currentTarget, problem, speaker?.value) }, "Play"),
      voice.rerolls ? make("button", { type: "button", class: "quiet", "aria-label": `Reroll ${name}`,
        onclick: () => reroll(name) }, "Reroll") : null,
      ...(voice.kind === "recorded" ? [
        make("button", { type: "button", class: "quiet", "aria-label": `Rename ${name}`,
          onclick: () => rename(name) }, "Rename"),
        make("button", { type: "button", class: "quiet danger", "aria-label": `Delete ${name}`,
          onclick: () => remove(name) }, "Delete")] : [])));
}

/** Have a voice say something; the button stops it. What is not as wished, as another voice that
 * speaks for it, is told at `where`. */
export function play({ name, language: tag }, button, where = problem, speaker = null) {
  if (button.classList.contains("on")) {
    hush();
    return;
  }
  complain(where);
  const words = button.textContent;
  const goes = (on) => {
    button.classList.toggle("on", on);
    button.textContent = on ? "Stop" : words;
  };
  new Speaking(sample(tag), { voice: name, speaker: speaker || null, speed: 1 }, {
    warned: (words) => warn(where, words),
    over: ({ error }) => {
      goes(false);
      if (error) complain(where, error);
    },
  });
  goes(true);
}

async function rename(name) {
  const given = await question({ title: `Rename ${name}`, action: "Rename",
    words: "Home Assistant stores names: choose the voice there again afterwards.",
    field: { label: "New name", value: name, most: 60 } });
  if (!given || given === name) return;
  const done = await guarded(problem, () => askJson(`api/voices/${encodeURIComponent(name)}/rename`,
    { method: "POST", json: { name: given } }));
  await changed(done, done && `${name} is called ${done.name} now.`, done?.name);
}

async function remove(name) {
  const sure = await question({ title: `Delete ${name}?`, action: "Delete", danger: true,
    words: "Its recording and its words are deleted as well. This cannot be undone." });
  if (!sure) return;
  const done = await guarded(problem, () => askJson(`api/voices/${encodeURIComponent(name)}`, { method: "DELETE" }));
  await changed(done, `${name} is deleted.`);
}

async function reroll(name) {
  const sure = await question({ title: `Another voice for ${name}?`, action: "Reroll",
    words: "It will sound like somebody else, by chance. The voice it has now does not come back." });
  if (!sure) return;
  const done = await guarded(problem, () => ask(`api/voices/${encodeURIComponent(name)}/reroll`, { method: "POST" }));
  await changed(done, `${name} gets another voice. It is made while nobody speaks: play it in a moment.`, name);
}

/** Show the list as it is now, say what was done, and put the focus where something remains. */
async function changed(done, words, name = null) {
  if (!done) return;
  await enter();
  announce(words);
  const lost = done.lost_presets?.length ? ` Presets without their voice now: ${done.lost_presets.join(", ")}.` : "";
  const note = make("p", { class: "note", tabindex: "-1" }, words + lost);
  find("#voices-list").prepend(note);
  const there = name && find(`[data-voice="${CSS.escape(name)}"] button`);
  (there || note).focus();
}
