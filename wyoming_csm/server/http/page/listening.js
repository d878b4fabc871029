// The recording that a voice is made of, as it is seen and listened to: its wave, and a button.

import { find } from "./dom.js";
import { Peaks } from "./sound.js";
import { hush } from "./speaking.js";
import { Wave } from "./wave.js";

const button = find("#clip-play");
let wave, player = null;
let shown = null;  // what can be listened to: {samples, rate, peaks}

/** Make the button work. */
export function start() {
  wave = new Wave(find("#clip-wave"));
  button.addEventListener("click", listen);
}

/** Show a recording that can be listened to at once, or only its place where this browser cannot
 * read it (`samples` is missing). Returns its peaks. */
export function present({ samples, rate } = {}) {
  silence();
  const peaks = samples ? peaksOf(samples, rate) : [];
  shown = samples ? { samples, rate, peaks } : null;
  button.hidden = !samples;
  wave.show(peaks);
  return peaks;
}

/** Show the peaks of what is still recorded. */
export function grow(peaks) {
  wave.show(peaks, 1);
}

/** Stop what is listened to. */
export function silence() {
  if (!player) return;
  player.node.onended = null;
  player.context.close();
  player = null;
  button.textContent = "Listen";
  wave.show(shown?.peaks || []);
}

function listen() {
  if (player) {
    silence();
    return;
  }
  if (!shown) return;
  hush();
  const { samples, rate, peaks } = shown;
  const context = new AudioContext();
  const buffer = context.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(samples, 0);
  const node = context.createBufferSource();
  node.buffer = buffer;
  node.connect(context.destination);
  node.onended = silence;
  node.start();
  player = { context, node };
  button.textContent = "Stop";
  const tick = () => {
    if (player?.context !== context) return;
    wave.show(peaks, context.currentTime / buffer.duration);
    requestAnimationFrame(tick);
  };
  tick();
}

function peaksOf(samples, rate) {
  const peaks = new Peaks(rate);
  peaks.add(samples);
  peaks.flush();
  return peaks.values;
}
