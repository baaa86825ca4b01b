// The oracle's side of LlamaCppTest: llama.cpp through node-llama-cpp.
// node llama.mjs FOLDER MODEL.gguf NEW < prompts        FOLDER has node_modules/node-llama-cpp; a prompt is a line of token ids
// For every prompt a JSON line: {"ids": the NEW greedily chosen tokens, "logits": what each was chosen from, by token id}.
import fs from "node:fs";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [folder, file, newTokens] = process.argv.slice(2);
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
    const row = [];
    for (const [token, logit] of out[tokens.length - 1].next.logits.entries()) row[token] = logit;
    return row;
}

const lines = [];
for (const prompt of prompts) {
    await sequence.clearHistory();
    const ids = [], rows = [];
    for (let i = 0; i < Number(newTokens); i++) {
        const row = await logits(i === 0 ? prompt : [ids[i - 1]]);
        rows.push(row);
        ids.push(row.indexOf(Math.max(...row)));
    }
    lines.push(JSON.stringify({ids, logits: rows}) + "\n");
}
process.stdout.write(lines.join(""), () => process.exit(0)); // an exit at once would cut a pipe short
