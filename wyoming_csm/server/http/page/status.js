// The section that says who speaks, who does not and why, and how quick the last replies were.

import { complain, draw, find, make, seconds, typed } from "./dom.js";
import { sentence } from "./api.js";
import { status, titleOf } from "./state.js";

const AGAIN = 5_000;  // ms
const WORDS = {
  ready: "ready", stalled: "silent for a moment", waking: "wakes up", asleep: "asleep until it is asked",
  starting: "starts", resting: "rests after failures", absent: "cannot speak here",
};
const GOOD = ["ready", "asleep", "waking"];
let timer = null;

/** Come here: it is asked for again and again until `leave`. */
export async function enter() {
  leave();
  const mine = timer = {};
  try {
    const found = await status();
    complain(find("#status-problem"));
    show(found);
  } catch (error) {
    complain(find("#status-problem"), error);
  }
  if (timer === mine) timer = setTimeout(() => (document.hidden ? waitForEyes() : enter()), AGAIN);
}

/** Ask no more. */
export function leave() {
  clearTimeout(timer);
  timer = null;
}

function waitForEyes() {
  document.addEventListener("visibilitychange", () => timer && enter(), { once: true });
}

function show({ speaks, engines, replies, left_out, cache }) {
  find("#status-known").hidden = false;
  const one = engines.find(({ name }) => speaks.startsWith(`${name}: `));
  const known = cache.lookups ? ` ${cache.hits} of ${cache.lookups} sentences had been said before.` : "";
  find("#speaks").textContent = (one ? `${titleOf(one.name)} speaks.` : sentence(speaks)) + known;
  const others = Object.entries(left_out).map(([name, detail]) => ({ name, phase: "absent", detail }));
  find("#engines").replaceChildren(...[...engines, ...others].map(engine));
  const heard = replies.filter(({ ttfa }) => ttfa !== null);
  find("#no-replies").hidden = heard.length > 0;
  find("#plots").hidden = !heard.length;
  find("#plots").replaceChildren(
    plot("First sound (TTFA)", heard.map(({ ttfa }) => ttfa), seconds),
    plot("Real-time factor (RTF)", heard.map(({ rtf }) => rtf).filter((rtf) => rtf !== null),
      (value) => value.toFixed(2), 1));
}

function engine({ name, phase, detail, free, queue, gpu_memory: memory = null }) {
  const good = GOOD.includes(phase);
  const able = phase === "ready" || phase === "stalled";
  const load = able ? [`${free} ${free === 1 ? "slot" : "slots"} free`, queue ? `${queue} waiting` : "",
    memory && `${gigabytes(memory.taken)} of the GPU's ${gigabytes(memory.total)} GB taken`] : [];
  return make("li", { class: "engine" },
    make("p", {}, make("span", { class: `dot ${good ? "good" : ""}`, "aria-hidden": "true" }),
      make("strong", {}, titleOf(name)), make("span", { class: `tag ${good ? "" : "gray"}` }, WORDS[phase] || phase),
      make("span", { class: "hint" }, load.filter(Boolean).join(", "))),
    detail ? make("p", { class: "hint" }, ...typed(sentence(detail))) : null);
}

const gigabytes = (bytes) => (bytes / 1e9).toFixed(1);

const WIDTH = 320, HEIGHT = 96, EDGE = 6;

/** A small drawing of numbers, the newest at the right; `limit` is drawn as a line. */
function plot(title, values, write, limit = null) {
  if (!values.length) return make("figure", {}, make("figcaption", {}, title), make("p", { class: "hint" }, "Not known."));
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const top = Math.max(at(1), limit && limit < 3 * at(1) ? limit : 0) * 1.1 || 1;
  // what is 0 stands at the lower edge, the slowest near the upper one
  const x = (i) => WIDTH - EDGE - (values.length - 1 - i) * ((WIDTH - 2 * EDGE) / Math.max(11, values.length - 1));
  const y = (value) => HEIGHT - EDGE - (value / top) * (HEIGHT - 2 * EDGE);
  const words = `median ${write(at(0.5))}, slowest ${write(at(1))}, last ${write(values.at(-1))}`
    + (limit === null ? "" : `; below ${limit} is fast enough`);
  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
    "aria-label": `${title} of the last ${values.length} replies: ${words}` },
  draw("line", { class: "axis", x1: EDGE, x2: WIDTH - EDGE, y1: y(0), y2: y(0) }));
  if (limit !== null && limit <= top) {
    picture.append(draw("line", { class: "limit", x1: EDGE, x2: WIDTH - EDGE, y1: y(limit), y2: y(limit) }));
  }
  picture.append(
    draw("text", { x: EDGE, y: EDGE + 4 }, write(at(1))),
    draw("polyline", { class: "line", points: values.map((value, i) => `${x(i)},${y(value)}`).join(" ") }),
    ...values.map((value, i) => draw("circle", { cx: x(i), cy: y(value), r: i === values.length - 1 ? 4 : 2 })));
  return make("figure", {}, make("figcaption", {}, title), picture, make("p", { class: "hint" }, words));
}
