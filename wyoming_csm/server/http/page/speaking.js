// One text spoken in this page at a time, with what is measured of it.

import { sentence, speakOrSayWhy } from "./api.js";
import { Player } from "./player.js";

let current = null;

/** Fall silent, whoever speaks. */
export function hush() {
  current?.stop();
}

/** A text on its way to the ears. Make it in a click: browsers allow sound only there. */
export class Speaking {
  /** `wish` is {voice, speaker, speed}. `changed` is called as it goes on, `warned` with all that is not as
   * it was wished so far, in words, `over` once at the end, with the error if there is one. */
  constructor(text, wish, { changed = () => {}, warned = () => {}, over = () => {} }) {
    hush();
    current = this;
    this.text = text;
    this.wish = wish;
    this.warnings = [];
    this.first = this.factor = null;  // seconds to the first sound; seconds for one of sound
    this.error = null;
    this.stopped = false;
    this.leaving = new AbortController();
    this.changed = () => changed(this);
    this.warned = warned;
    this.player = new Player({ changed: this.changed, over: () => {
      if (current === this) current = null;
      over(this);
    } });
    this.run();
  }

  async run() {
    const began = performance.now();
    const since = () => (performance.now() - began) / 1000;
    try {
      await speakOrSayWhy(this.text, this.wish, {
        signal: this.leaving.signal,
        warned: (words) => {
          this.warnings.push(sentence(words));
          this.warned(this.warnings.join(" "));
        },
        sound: (buffer) => {
          this.first ??= since();
          this.player.push(buffer);
          this.factor = since() / this.player.seconds;
        },
      });
    } catch (error) {
      if (error.name !== "AbortError") this.error = error;
    }
    this.player.finish();
    this.changed();
  }

  /** All its sound has come. */
  get whole() {
    return this.player.whole && !this.error && !this.stopped;
  }

  /** How much of what came was played, of 1. */
  get played() {
    return this.player.seconds ? this.player.position / this.player.seconds : 0;
  }

  stop() {
    this.stopped = !this.player.whole;
    this.leaving.abort();
    this.player.stop();
  }

  /** Play what came once more. Returns the player. */
  again({ changed, over }) {
    hush();
    const player = new Player({ changed, over: () => {
      if (current === player) current = null;
      over();
    } });
    current = player;
    for (const part of this.player.parts) player.push(part);
    player.finish();
    return player;
  }
}
