// The oracle's side of LlamaCppTest: llama.cpp through node-llama-cpp.
// node llama.mjs FOLDER MODEL.gguf NEW TOP < prompts        FOLDER has node_modules/node-llama-cpp; a prompt is a line of token ids
// For every prompt a JSON line: {"ids": the NEW greedily chosen tokens, "gaps": how much the best logit was above the second each time,
// "top": [[token, probability], ...] after the prompt}.
import fs from "node:fs";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [folder, file, newTokens, top] = process.argv.slice(2);
const {getLlama, LlamaLogLevel} = await import(
    pathToFileURL(path.join(folder, "node_modules/node-llama-cpp/dist/index.js")).href);
const llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: 1, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: file, gpuLayers: 0});
const prompts = fs.readFileSync(0, "utf8").split("\n").filter(Boolean).map(line => line.split(" ").map(Number));
const length = Math.max(...prompts.map(prompt => prompt.length)) + Number(newTokens);
const context = await model.createContext({
    contextSize: Math.max(256, length + 16), batchSize: Math.max(64, length), threads: 1, flashAttention: false,
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"
});
const sequence = context.getSequence();
const want = {generateNext: {logits: true}};

async function logits(tokens) {
    const out = await sequence.controlledEvaluate(tokens.map((token, i) => i === tokens.length - 1 ? [token, want] : token));
    return [...out[tokens.length - 1].next.logits.entries()].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

for (const prompt of prompts) {
    await sequence.clearHistory();
    let sorted = await logits(prompt);
    const z = sorted.reduce((sum, [, x]) => sum + Math.exp(x - sorted[0][1]), 0);
    const best = sorted.slice(0, Number(top)).map(([id, x]) => [id, Math.exp(x - sorted[0][1]) / z]);
    const ids = [], gaps = [];
    for (let i = 0; i < Number(newTokens); i++) {
        ids.push(sorted[0][0]);
        gaps.push(sorted[0][1] - sorted[1][1]);
        if (i + 1 < Number(newTokens)) sorted = await logits([sorted[0][0]]);
    }
    console.log(JSON.stringify({ids, gaps, top: best}));
}
process.exit(0);
