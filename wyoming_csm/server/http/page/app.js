// The page: which section is shown, and what all need at the start.

import { find, guarded } from "./dom.js";
import * as making from "./make.js";
import * as speak from "./speak.js";
import { hush } from "./speaking.js";
import { status } from "./state.js";
import * as statusSection from "./status.js";
import * as voicesSection from "./voices.js";

const SECTIONS = { speak, voices: voicesSection, make: making, status: statusSection };
const UNDER = { make: "voices" };  // what the navigation shows for it
let shown = null;

function go(event) {
  const name = location.hash.slice(1);
  if (name === "main" && shown) return;  // the link over the navigation
  const next = Object.hasOwn(SECTIONS, name) ? name : "speak";
  if (next === shown) return;
  hush();
  if (shown) SECTIONS[shown].leave?.();
  for (const one of Object.keys(SECTIONS)) find(`#${one}`).hidden = one !== next;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${UNDER[next] || next}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  shown = next;
  document.title = next === "speak" ? "wyoming-csm" : `${find(`#${next} h1`).textContent} · wyoming-csm`;
  SECTIONS[next].enter(making.latest());
  if (event) {
    scrollTo(0, 0);
    find(`#${next} h1`).focus({ preventScroll: true });
  }
}

speak.start();
making.start();
addEventListener("hashchange", go);
go();

const known = await guarded(find("#door"), status);
if (known) {
  speak.know(known);
  making.know(known);
  find("#version").textContent = `wyoming-csm ${known.version}`;
}
