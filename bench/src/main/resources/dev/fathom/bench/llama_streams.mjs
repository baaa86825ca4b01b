// llama.cpp's parallel sequences, through the npm package node-llama-cpp:
// node llama_streams.mjs FOLDER MODEL.gguf STREAMS PROMPT NEW RUNS THREADS      FOLDER has node_modules/node-llama-cpp
// Does what StreamsBenchmark does with the same tokens: every sequence gets its own prompt of PROMPT tokens and goes on greedily for NEW; one warm-up run is not
// counted. Prints the seconds of each run as one line of JSON.
import fs from "node:fs";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { pathToFileURL } from "node:url";

const [folder, file, ...numbers] = process.argv.slice(2);
const [streams, promptTokens, newTokens, runs, threads] = numbers.map(Number);
const modules = path.join(path.resolve(folder), "node_modules", "node-llama-cpp");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(path.join(modules, "dist", "index.js")).href);

// The sequence of the C standard's example generator, another beginning for each stream.
function prompt(stream) {
  const tokens = [];
  let state = 12345 + stream;
  for (let i = 0; i < promptTokens; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    tokens.push((state >>> 8) % Math.min(700, vocabulary));
  }
  return tokens;
}

const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, maxThreads: threads, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: path.resolve(file), gpuLayers: 0 });
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const context = await model.createContext({
  sequences: streams, contextSize: promptTokens + newTokens + 64, batchSize: 512, threads: { ideal: threads, min: threads },
});
const sequences = Array.from({ length: streams }, () => context.getSequence());

async function answer(sequence, stream, firstTokens) {
  await sequence.clearHistory();
  const tokens = sequence.evaluate(prompt(stream), { temperature: 0, yieldEogToken: true });
  let count = 0;
  while (count < newTokens && !(await tokens.next()).done) {
    count++;
    if (count === 1) firstTokens.push(performance.now());
  }
  await tokens.return?.();
  if (count < newTokens) throw new Error(`sequence ${stream} ended after ${count} of ${newTokens} tokens`);
}

const seconds = [], generation = [];
for (let run = 0; run <= runs; run++) {
  const firstTokens = [];
  const start = performance.now();
  await Promise.all(sequences.map((sequence, stream) => answer(sequence, stream, firstTokens)));
  const end = performance.now();
  if (run > 0) {
    seconds.push((end - start) / 1e3);
    generation.push((end - Math.max(...firstTokens)) / 1e3);
  }
}
const version = JSON.parse(fs.readFileSync(path.join(modules, "package.json"), "utf8")).version;
console.log(JSON.stringify({ peer: `node-llama-cpp ${version}, llama.cpp ${llama.llamaCppRelease.release}`, seconds, generation }));
process.exit(0);
