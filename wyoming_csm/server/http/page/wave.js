// A waveform on a canvas: bars of what is there, those already played in the accent colour.

const BAR = 3, GAP = 2;  // CSS pixels

export class Wave {
  constructor(canvas) {
    this.canvas = canvas;
    this.peaks = [];
    this.played = 0;  // of 1
    this.due = false;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Show these peaks (0 to 1), of which a share is played. */
  show(peaks, played = 0) {
    this.peaks = peaks;
    this.played = played;
    this.redraw();
  }

  redraw() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.draw();
    });
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    const style = getComputedStyle(this.canvas);
    const [accent, rest] = ["--accent", "--wave"].map((name) => style.getPropertyValue(name));
    const room = Math.floor((width + GAP) / (BAR + GAP));
    const bars = joined(this.peaks, room);
    const played = Math.round(this.played * bars.length);
    for (let i = 0; i < room; i++) {
      const tall = i < bars.length ? Math.max(BAR, Math.sqrt(bars[i]) * height) : BAR;
      context.fillStyle = i < played ? accent : rest;
      context.globalAlpha = i < bars.length ? 1 : 0.4;
      context.beginPath();
      context.roundRect(i * (BAR + GAP), (height - tall) / 2, BAR, tall, BAR / 2);
      context.fill();
    }
  }
}

/** As many of the peaks side by side in one bar as it takes for all to have room. */
function joined(peaks, room) {
  const size = Math.max(1, Math.ceil(peaks.length / Math.max(1, room)));
  const bars = [];
  for (let i = 0; i < peaks.length; i += size) bars.push(Math.max(...peaks.slice(i, i + size)));
  return bars;
}
