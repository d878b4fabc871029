// Runs where the sound is: hands on what the microphone hears, in parts of some 40 ms.

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.part = new Float32Array(2048);
    this.count = 0;
  }

  process([input]) {
    const heard = input[0];
    if (!heard) return true;
    for (const sample of heard) {
      this.part[this.count++] = sample;
      if (this.count === this.part.length) {
        this.port.postMessage(this.part.slice());
        this.count = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
