// The microphone: what it hears, as samples, unchanged by the browser.

/** Browsers give the microphone to secure pages only: https, or this same machine. */
export const possible = Boolean(isSecureContext && navigator.mediaDevices?.getUserMedia);

export const WHY_NOT = "Browsers let only secure pages hear the microphone, and this one came over plain"
  + " http. Open it from Home Assistant's side bar over https, or on the server itself as"
  + ` http://localhost:${location.port}. Or record with any other program and drop the file here.`;

const REASONS = {
  NotAllowedError: "The browser was told to keep the microphone from this page: allow it beside the"
    + " address, then press Record again.",
  NotFoundError: "There is no microphone: plug one in, or choose a file.",
  NotReadableError: "Another program has the microphone, or it does not answer: close that program.",
};

export class Recorder {
  /** `heard` gets each part of samples. */
  constructor(heard) {
    this.heard = heard;
    this.parts = [];
  }

  /** Begin. Raises Error with words for people. */
  async start() {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: {
        channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false,
      } });
    } catch (error) {
      throw new Error(REASONS[error.name] || `The microphone cannot be had: ${error.message}`);
    }
    this.context = new AudioContext();
    try {
      await this.context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    } catch (error) {
      this.release();
      throw new Error(`The browser cannot record: ${error.message}`);
    }
    this.node = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => {
      this.parts.push(data);
      this.heard(data);
    };
    this.context.createMediaStreamSource(this.stream).connect(this.node);
  }

  get rate() {
    return this.context.sampleRate;
  }

  /** End, and return all samples. */
  stop() {
    this.node.port.onmessage = null;
    this.release();
    const samples = new Float32Array(this.parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      samples.set(part, at);
      at += part.length;
    }
    return samples;
  }

  /** Let go of the microphone. */
  release() {
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
  }
}
