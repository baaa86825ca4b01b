// llama.cpp's side of `fathom bench compare --model`, through the npm package node-llama-cpp:
// node llama.mjs FOLDER MODEL.gguf PROMPT NEW WARMUP RUNS THREADS      FOLDER has node_modules/node-llama-cpp
// Does what InferenceBenchmark does with the same tokens, and prints one line of JSON. Seconds of the first token count from the start of the process.
import fs from "node:fs";
import path from "node:path";
import {performance} from "node:perf_hooks";
import {pathToFileURL} from "node:url";

const [folder, file, ...numbers] = process.argv.slice(2);
const [promptTokens, newTokens, warmup, runs, threads] = numbers.map(Number);
const home = path.join(path.resolve(folder), "node_modules/node-llama-cpp");
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(path.join(home, "dist/index.js")).href);
const {version} = JSON.parse(fs.readFileSync(path.join(home, "package.json"), "utf8"));
const seconds = since => (performance.now() - since) / 1e3;

const llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: threads, logLevel: LlamaLogLevel.error});
let start = performance.now();
const model = await llama.loadModel({modelPath: path.resolve(file), gpuLayers: 0});
const loadSeconds = seconds(start);
const context = await model.createContext({
    contextSize: promptTokens + newTokens + 64, batchSize: Math.max(512, promptTokens), threads: {ideal: threads, min: threads}
});
const sequence = context.getSequence();
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;

function prompt(tokens) {
    const ids = [];
    let state = 12345;
    for (let i = 0; i < tokens; i++) {
        state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
        ids.push((state >>> 8) % Math.min(700, vocabulary));
    }
    return ids;
}

/** Seconds to the first token, and from the first to the last. */
async function run(ids, more) {
    await sequence.clearHistory();
    let since = performance.now();
    if (ids.length > 1) await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, -1));
    const tokens = sequence.evaluate(ids.slice(-1), {temperature: 0, yieldEogToken: true});
    await tokens.next();
    const toFirst = seconds(since);
    since = performance.now();
    for (let i = 0; i < more; i++) {
        if ((await tokens.next()).done) throw new Error(`the response ended after ${i + 1} tokens`);
    }
    const rest = seconds(since);
    await tokens.return?.();
    return [toFirst, rest];
}

await run(prompt(Math.min(16, promptTokens)), 0);
const firstTokenSeconds = performance.now() / 1e3;
const promptRunSeconds = [], runSeconds = [];
for (let i = 0; i < warmup + runs; i++) {
    const [toFirst, rest] = await run(prompt(promptTokens), newTokens);
    if (i >= warmup) {
        promptRunSeconds.push(toFirst);
        runSeconds.push(rest);
    }
}
const library = fs.existsSync("/proc/self/maps") ? fs.readFileSync("/proc/self/maps", "utf8").match(/libggml-cpu[^\s/]*\.so/)?.[0] : undefined;
const peer = `node-llama-cpp ${version} (llama.cpp ${llama.llamaCppRelease.release}${library ? ", " + library : ""})`;
console.log(JSON.stringify({peer, loadSeconds, firstTokenSeconds, promptRunSeconds, runSeconds}));
process.exit(0);
