// Measures llama.cpp's CPU build at the shapes of Qwen2.5-0.5B with random bfloat16 weights: prefill of 256 tokens and
// decode of one sequence. llama.sh runs it.
//
//   node llama.mjs FILE THREADS TURNS   (FILE is a GGUF file, written if it is not there)
import fs from "node:fs";
import {getLlama} from "node-llama-cpp";

const [file, threads, turns] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const vocab = 151936, hidden = 896, ffn = 4864, layers = 24, heads = 14, kvHeads = 2, headDim = 64, context = 32768;
const prefill = 256, decode = 16;

// writeModel writes a GGUF file, version 3: a header of metadata and tensors, then the tensors, each aligned to 32 bytes.
function writeModel() {
  const parts = [];
  const u32 = x => { const b = Buffer.alloc(4); b.writeUInt32LE(x); parts.push(b); };
  const u64 = x => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(x)); parts.push(b); };
  const f32 = x => { const b = Buffer.alloc(4); b.writeFloatLE(x); parts.push(b); };
  const str = s => { u64(Buffer.byteLength(s)); parts.push(Buffer.from(s)); };
  // Types of GGUF: 4 uint32, 5 int32, 6 float32, 8 string, 9 array.
  const meta = [
    ["general.architecture", 8, "qwen2"], ["general.name", 8, "random"],
    ["qwen2.block_count", 4, layers], ["qwen2.context_length", 4, context], ["qwen2.embedding_length", 4, hidden],
    ["qwen2.feed_forward_length", 4, ffn], ["qwen2.attention.head_count", 4, heads], ["qwen2.attention.head_count_kv", 4, kvHeads],
    ["qwen2.attention.layer_norm_rms_epsilon", 6, 1e-6], ["qwen2.rope.freq_base", 6, 1e6],
    ["tokenizer.ggml.model", 8, "gpt2"], ["tokenizer.ggml.pre", 8, "qwen2"],
    ["tokenizer.ggml.tokens", 9, Array.from({length: vocab}, (_, i) => `t${i}`)],
    ["tokenizer.ggml.merges", 9, ["t 0"]],
    ["tokenizer.ggml.eos_token_id", 4, vocab - 1], ["tokenizer.ggml.bos_token_id", 4, vocab - 2],
  ];
  const tensors = [["token_embd.weight", [hidden, vocab]], ["output_norm.weight", [hidden]]];
  for (let l = 0; l < layers; l++) {
    const add = (name, ...shape) => tensors.push([`blk.${l}.${name}`, shape]);
    add("attn_norm.weight", hidden);
    add("ffn_norm.weight", hidden);
    for (const [name, n] of [["attn_q", heads * headDim], ["attn_k", kvHeads * headDim], ["attn_v", kvHeads * headDim]]) {
      add(name + ".weight", hidden, n);
      add(name + ".bias", n);
    }
    add("attn_output.weight", heads * headDim, hidden);
    add("ffn_gate.weight", hidden, ffn);
    add("ffn_up.weight", hidden, ffn);
    add("ffn_down.weight", ffn, hidden);
  }
  parts.push(Buffer.from("GGUF"));
  u32(3);
  u64(tensors.length);
  u64(meta.length);
  for (const [key, type, value] of meta) {
    str(key);
    u32(type);
    if (type === 9) { u32(8); u64(value.length); value.forEach(str); }
    else if (type === 8) str(value);
    else if (type === 6) f32(value);
    else u32(value);
  }
  // Matrices are bfloat16 (30), vectors float32 (0).
  let offset = 0;
  const sizes = tensors.map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b) * (shape.length === 2 ? 2 : 4);
    str(name);
    u32(shape.length);
    shape.forEach(u64);
    u32(shape.length === 2 ? 30 : 0);
    u64(offset);
    offset += Math.ceil(size / 32) * 32;
    return size;
  });
  const out = fs.openSync(file + ".part", "w");
  const write = b => { for (let at = 0; at < b.length;) at += fs.writeSync(out, b, at); };
  const head = Buffer.concat(parts);
  write(Buffer.concat([head, Buffer.alloc((32 - head.length % 32) % 32)]));
  // Weights repeat a block of 2^18 + 2 normal ones, standard deviation 0.02; their values do not change the speed.
  const random = new Uint16Array(2 ** 18 + 2), float = new Float32Array(1), bits = new Uint32Array(float.buffer);
  for (let i = 0; i < random.length; i++) {
    float[0] = 0.02 * Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    random[i] = bits[0] >>> 16;
  }
  const block = Buffer.from(random.buffer);
  tensors.forEach(([name, shape], i) => {
    const size = sizes[i];
    if (shape.length === 1) {
      const data = new Float32Array(shape[0]).fill(name.endsWith("norm.weight") ? 1 : 0);
      write(Buffer.from(data.buffer));
    } else {
      for (let at = 0; at < size; at += block.length) write(block.subarray(0, Math.min(block.length, size - at)));
    }
    write(Buffer.alloc((32 - size % 32) % 32));
  });
  fs.closeSync(out);
  fs.renameSync(file + ".part", file);
}

if (!fs.existsSync(file)) writeModel();
const llama = await getLlama({gpu: false, build: "never", maxThreads: threads, logLevel: "error"});
const model = await llama.loadModel({modelPath: file});
const ctx = await model.createContext({contextSize: 512, batchSize: prefill, threads});
const sequence = ctx.getSequence();
const prefills = [], decodes = []; // tokens/s
for (let turn = 0; turn < turns; turn++) {
  await sequence.clearHistory();
  const prompt = Array.from({length: prefill}, (_, i) => 1000 + 37 * i);
  let start = performance.now(), n = 0;
  for await (const _ of sequence.evaluate(prompt, {temperature: 0})) {
    if (n++ === 0) { // the first token ends the prefill
      prefills.push(prefill * 1000 / (performance.now() - start));
      start = performance.now();
    }
    if (n > decode) break;
  }
  decodes.push((n - 1) * 1000 / (performance.now() - start));
}
const median = x => x.sort((a, b) => a - b)[x.length >> 1].toFixed(1);
console.log(`llama.cpp ${llama.llamaCppRelease.release}: prefill ${median(prefills)}, decode ${median(decodes)} tokens/s, medians of ${turns} turns`);
await llama.dispose();
process.exit(0);
