// Sound that is played while it comes: buffers laid end to end, to the sample.
//
// No AudioWorklet: over plain http in a home, browsers have none. The context runs at the sound's
// own rate, so that no buffer is resampled by itself, which would click at each seam.

import { Peaks, RATE, samplesOf } from "./sound.js";

const FIRST = 0.05;   // seconds until the first sound is played
const AGAIN = 0.2;    // after the sound ran out: it comes slowly
const AHEAD = 2;      // seconds that are laid out in advance
const LONGEST = 0.5;  // seconds of a node: a longer one than AHEAD would keep the next from being laid in time

let shared = null;

/** The one context; call it in a click, else browsers let it be silent. */
function contextNow() {
  if (!shared || shared.state === "closed") {
    try {
      shared = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    } catch {
      shared = new AudioContext();
    }
  }
  if (shared.state !== "running") shared.resume();
  return shared;
}

/** Plays one sound. `changed` is called as it goes on, `over` once at its end. */
export class Player {
  constructor({ changed = () => {}, over = () => {} } = {}) {
    this.context = contextNow();
    this.gain = this.context.createGain();
    this.gain.connect(this.context.destination);
    this.changed = changed;
    this.over = over;
    this.parts = [];      // all that came, 16 bits
    this.peaks = new Peaks(RATE);
    this.seconds = 0;     // that came
    this.gaps = 0;
    this.waiting = [];    // samples that are not laid out yet, LONGEST at most in each
    this.playing = new Map();  // nodes, with their ends
    this.laid = 0;        // samples that are laid out
    this.origin = null;   // when the first sample is played, were there no gaps
    this.whole = this.ended = false;
    this.tick = this.tick.bind(this);
  }

  /** Take the next part. */
  push(buffer) {
    if (this.ended || !buffer.byteLength) return;
    const samples = samplesOf(buffer);
    this.parts.push(buffer);
    this.peaks.add(samples);
    this.seconds += samples.length / RATE;
    const most = LONGEST * RATE;
    for (let at = 0; at < samples.length; at += most) this.waiting.push(samples.subarray(at, at + most));
    this.lay();
    if (this.parts.length === 1) requestAnimationFrame(this.tick);
  }

  /** No more comes. */
  finish() {
    this.whole = true;
    this.peaks.flush();
    if (!this.playing.size && !this.waiting.length) this.end();
  }

  /** Fall silent now. */
  stop() {
    if (this.ended) return;
    this.gain.gain.setTargetAtTime(0, this.context.currentTime, 0.008);
    for (const node of this.playing.keys()) {
      node.onended = null;
      node.stop(this.context.currentTime + 0.05);
    }
    this.end();
  }

  /** Seconds that were played. */
  get position() {
    if (this.origin === null) return 0;
    const latency = this.context.outputLatency || 0;
    const since = this.context.currentTime - latency - this.origin;
    return Math.max(0, Math.min(since, this.laid / RATE));
  }

  lay() {
    const now = this.context.currentTime;
    const until = () => this.origin + this.laid / RATE;
    while (this.waiting.length && (this.origin === null || until() < now + AHEAD)) {
      if (this.origin === null) {
        this.origin = aligned(now + FIRST);
      } else if (until() < now) {
        this.gaps += 1;
        this.origin += aligned(now + AGAIN - until());
      }
      const samples = this.waiting.shift();
      const buffer = this.context.createBuffer(1, samples.length, RATE);
      buffer.copyToChannel(samples, 0);
      const node = this.context.createBufferSource();
      node.buffer = buffer;
      node.connect(this.gain);
      node.start(until());
      this.laid += samples.length;
      this.playing.set(node, until());
      node.onended = () => {
        this.playing.delete(node);
        this.lay();
        if (this.whole && !this.playing.size && !this.waiting.length) this.end();
      };
    }
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.changed(this);
    this.over(this);
    setTimeout(() => this.gain.disconnect(), 100);
  }

  tick() {
    if (this.ended) return;
    this.changed(this);
    requestAnimationFrame(this.tick);
  }
}

/** A time that is a whole number of samples. */
function aligned(time) {
  return Math.ceil(time * RATE) / RATE;
}
