// Samples: bytes to numbers and back, peaks to draw, levels to judge, WAV files.

export const RATE = 24_000;  // Hz, of all that the server speaks
export const PEAK_SECONDS = 0.04;

/** 16 bits, little-endian, to samples of -1 to 1. */
export function samplesOf(buffer) {
  const view = new DataView(buffer);
  const samples = new Float32Array(view.byteLength >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true) / 32768;
  return samples;
}

/** A WAV file of parts that each are 16 bits, little-endian, mono. */
export function wavOf(parts, rate = RATE) {
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const head = new DataView(new ArrayBuffer(44));
  const word = (at, text) => [...text].forEach((c, i) => head.setUint8(at + i, c.charCodeAt(0)));
  word(0, "RIFF");
  head.setUint32(4, 36 + size, true);
  word(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  word(36, "data");
  head.setUint32(40, size, true);
  return new Blob([head, ...parts], { type: "audio/wav" });
}

/** Samples of -1 to 1 as a WAV file. */
export function wavOfSamples(samples, rate) {
  const view = new DataView(new ArrayBuffer(2 * samples.length));
  for (let i = 0; i < samples.length; i++) {
    const value = Math.max(-1, Math.min(1, samples[i]));
    view.setInt16(2 * i, value < 0 ? value * 32768 : value * 32767, true);
  }
  return wavOf([view.buffer], rate);
}

/** The loudest sample of each 40 ms, as sound comes in parts of any size. */
export class Peaks {
  constructor(rate) {
    this.values = [];
    this.size = Math.round(rate * PEAK_SECONDS);
    this.count = this.peak = 0;
  }

  add(samples) {
    for (const sample of samples) {
      this.peak = Math.max(this.peak, Math.abs(sample));
      if (++this.count === this.size) this.flush();
    }
  }

  flush() {
    if (this.count) this.values.push(this.peak);
    this.count = this.peak = 0;
  }
}

/** A recording in whatever format this browser reads: {samples, rate}; raises where it does not. */
export async function decoded(data) {
  const context = new OfflineAudioContext(1, 1, 48_000);
  const found = await context.decodeAudioData(data);
  const samples = new Float32Array(found.length);
  for (let channel = 0; channel < found.numberOfChannels; channel++) {
    const part = found.getChannelData(channel);
    for (let i = 0; i < samples.length; i++) samples[i] += part[i] / found.numberOfChannels;
  }
  return { samples, rate: found.sampleRate };
}

const SILENCE = 0.001;  // no microphone is as silent where somebody speaks
const FLOOR = 0.01;  // below are pauses: how long they are says nothing of how loud the words are

/** What is to be said of how loud a recording is, from its peaks. */
export function loudness(peaks) {
  const spoken = peaks.filter((peak) => peak > FLOOR).sort((a, b) => a - b);
  const loud = spoken[Math.floor(spoken.length * 0.9)] || 0;
  const clipped = peaks.filter((peak) => peak > 0.995).length;
  if (clipped > 2) return { good: false, words: "too loud: it is distorted" };
  if (!peaks.some((peak) => peak > SILENCE)) return { good: false, words: "nothing is heard" };
  if (loud < 0.03) return { good: false, words: "very soft: go nearer to the microphone" };
  return { good: true, words: "good" };
}

/** What is to be said of how long it is. */
export function length(value) {
  if (value < 5) return { good: false, words: "short: 10 to 30 s serve best" };
  if (value > 60) return { good: false, words: "too long: 60 s at most" };
  if (value > 35) return { good: true, words: "long enough: 10 to 30 s do" };
  return { good: true, words: value < 10 ? "enough, 10 s are better" : "good" };
}

/** Hand a file to the browser's downloads. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
