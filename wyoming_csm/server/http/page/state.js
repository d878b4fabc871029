// What several sections know of the server: its voices and its status, asked for when needed.

import { askJson } from "./api.js";
import { language, make } from "./dom.js";

let listed = null;

/** The voices, the default one first; `anew` asks the server again. Raises Problem. */
export async function voices(anew = false) {
  if (anew || !listed) {
    const asked = askJson("api/voices").then((found) => found.voices);
    listed = asked;
    asked.catch(() => {
      if (listed === asked) listed = null;
    });
  }
  return listed;
}

/** What the server says of itself now. Raises Problem. */
export function status() {
  return askJson("api/status");
}

const TITLES = { csm: "CSM", coqui: "Coqui", system: "System voice" };

/** An engine's name for people; several GPUs have their device in it. */
export function titleOf(name) {
  return name.replace(/^[a-z]+/, (word) => TITLES[word] || word);
}

/** The groups that a list of voices has, those with a name first that people gave. */
export function grouped(found) {
  const groups = new Map([["Recorded", []], ["Presets", []]]);
  for (const voice of found) {
    const title = { recorded: "Recorded", preset: "Presets" }[voice.kind] || titleOf(voice.engine);
    if (!groups.has(title)) groups.set(title, []);
    groups.get(title).push(voice);
  }
  return [...groups].filter(([, members]) => members.length);
}

/** What people may want to know of a voice: its language, and its description. */
export function about({ name, language: tag, description, fault }) {
  if (fault) return language(tag);  // which the description tells again
  const rest = description.startsWith(name) ? description.slice(name.length).trim() : description;
  return [language(tag), rest.replace(/^\((.*)\)$/, "$1")].filter(Boolean).join(" · ");
}

/** What a list of a voice's speakers offers; the first of them speaks where none is chosen. */
export function speakerOptions(voice) {
  return (voice?.speakers || []).map((name, i) => make("option", { value: i ? name : "" }, name));
}

const SAMPLES = {
  en: "Good morning. The kitchen light is on, and it is a quiet day.",
  de: "Guten Morgen. Das Licht in der Küche ist an, und es ist ein ruhiger Tag.",
  fr: "Bonjour. La lumière de la cuisine est allumée, et la journée est calme.",
  es: "Buenos días. La luz de la cocina está encendida y el día está tranquilo.",
  it: "Buongiorno. La luce della cucina è accesa, ed è una giornata tranquilla.",
  nl: "Goedemorgen. Het licht in de keuken is aan, en het is een rustige dag.",
};

/** A sentence to try a voice with, in its language. */
export function sample(tag) {
  return SAMPLES[tag.toLowerCase().split(/[-_]/)[0]] || SAMPLES.en;
}
