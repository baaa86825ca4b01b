// Runs: a list, or one of them, live: what was appended to its files since the last look is added to the curves.
import { request } from "./api.js";
import { chart, heatMap } from "./charts.js";

const INTERVAL = 2000;
const main = document.getElementById("main");
const name = new URLSearchParams(location.search).get("run");

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const percent = value => `${(value * 100).toFixed(1)} %`;
const plain = value => (value === 0 ? "0" : Math.abs(value) >= 0.01 && Math.abs(value) < 1e5 ? String(+value.toPrecision(4)) : value.toExponential(2));
const count = value => Math.round(value).toLocaleString("en");

/** Pictures: title, metric, how numbers are written, and a second metric in the same picture. */
const CHARTS = {
  rl: [
    ["Accuracy", "accuracy", percent, "heldOutAccuracy"], ["Reward", "reward", plain],
    ["Response length", "responseLength", count, "heldOutResponseLength"], ["Loss", "loss", plain],
    ["Entropy", "entropy", plain], ["Dead groups", "deadGroups", percent], ["Truncated", "truncated", percent],
    ["Largest |Δ log p|", "maxAbsDeltaLogProb", plain], ["Level", "level", plain], ["Gradient norm", "gradientNorm", plain],
    ["Tokens per second", "tokensPerSecond", count], ["MaxVio", "maxVio", plain],
  ],
  pretrain: [
    ["Loss", "loss", plain], ["Learning rate", "learningRate", plain], ["Gradient norm", "gradientNorm", plain],
    ["Tokens per second", "tokensPerSecond", count], ["MaxVio", "maxVio", plain],
  ],
};
const TITLES = { rl: "Reinforcement learning", pretrain: "Pre-training" };

function fail(error) {
  main.replaceChildren(element("p", { className: "error", role: "alert", textContent: error.message }),
    ...(error.status === 401 ? [element("p", { textContent: "Enter the API key in the settings of the chat page." })] : []));
}

async function list() {
  const { runs, directory } = await (await request("/runs/list")).json();
  if (runs.length === 0) {
    main.replaceChildren(element("p", { textContent: `No runs in ${directory} yet. Begin one: ./fathom learn` }));
    return;
  }
  const rows = runs.map(run => element("tr", {},
    element("td", {}, element("a", { href: `/runs?run=${encodeURIComponent(run.name)}`, textContent: run.name })),
    element("td", {}, ...(run.status === "running" ? [element("span", { className: "live" })] : []), run.status),
    element("td", { textContent: run.recipe ?? "" }),
    element("td", { textContent: new Date(run.created).toLocaleString() })));
  const head = element("tr", {}, ...["Run", "Status", "Recipe", "Begun"].map(text => element("th", { scope: "col", textContent: text })));
  main.replaceChildren(element("h2", { textContent: "Runs" }),
    element("div", { className: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))));
}

/** The lines of a file of the run, from where the last look ended. */
function tail(file) {
  let offset = 0;
  const lines = [];
  return {
    lines,
    async read() {
      let changed = false;
      while (true) {
        const response = await request(`/runs/file/${file}?run=${encodeURIComponent(name)}&from=${offset}`);
        const next = Number(response.headers.get("X-Next-Offset"));
        const text = await response.text();
        // A resumed run goes back to its checkpoint: the file is shorter than what was read.
        if (next < offset) { lines.length = 0; changed = true; }
        for (const line of text.split("\n")) if (line) lines.push(JSON.parse(line));
        changed ||= text !== "";
        const done = next === offset || text === "";
        offset = next;
        if (done) return changed;
      }
    },
  };
}

function section(stage, lines) {
  const figures = CHARTS[stage].map(([title, metric, format, second]) => {
    const curve = key => lines.filter(line => typeof line[key] === "number").map(line => [line.step, line[key]]);
    return chart(title, curve(metric), format, second ? curve(second) : []);
  }).filter(Boolean);
  const loads = lines.filter(line => line.expertLoad?.length);
  if (loads.length) figures.push(heatMap("Expert load (1 is fair)", loads.at(-1).expertLoad));
  return figures.length
    ? [element("section", {}, element("h2", { textContent: TITLES[stage] }), element("div", { className: "charts" }, ...figures))]
    : [];
}

function evaluations(lines) {
  const done = lines.filter(line => line.stage === "eval" && line.evaluation?.hardest);
  if (!done.length) return [];
  const rows = done.map(line => {
    const hardest = line.evaluation.hardest;
    return element("tr", {}, element("th", { scope: "row", textContent: line.label }),
      element("td", { textContent: percent(hardest.passAt1) }),
      element("td", { textContent: hardest.meanResponseTokens === undefined ? "" : `${hardest.meanResponseTokens.toFixed(0)} tokens` }));
  });
  const head = element("tr", {}, ...["Model", "pass@1, hardest level", "Response"].map(text => element("th", { scope: "col", textContent: text })));
  return [element("section", {}, element("h2", { textContent: "Evaluations" }),
    element("div", { className: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))))];
}

let shownStep = null;
function samples(lines) {
  if (!lines.length) return [];
  const groups = [...new Set(lines.map(line => `${line.stage} ${line.label || `step ${line.step}`}`))];
  const group = line => `${line.stage} ${line.label || `step ${line.step}`}`;
  if (!groups.includes(shownStep)) shownStep = groups.at(-1);
  const select = element("select", { id: "samples", ariaLabel: "Which samples" }, ...groups.map(each => element("option", { value: each, textContent: each, selected: each === shownStep })));
  const box = element("div");
  const show = () => box.replaceChildren(...lines.filter(line => group(line) === shownStep).slice(0, 20).map(line =>
    element("div", { className: "sample" },
      element("p", {}, element("strong", { textContent: line.prompt }), ` · level ${line.level}, ${line.tokens} tokens, `,
        element("span", { className: line.correct ? "right" : "wrong", textContent: line.correct ? "right" : "not right" })),
      element("p", { className: "mono dim", textContent: line.response.length > 2000 ? `${line.response.slice(0, 2000)}…` : line.response }))));
  select.addEventListener("change", () => { shownStep = select.value; show(); });
  show();
  return [element("section", {}, element("h2", { textContent: "Samples" }), select, box)];
}

function facts(info) {
  const shown = { Status: info.status, Begun: new Date(info.created).toLocaleString(), Command: info.command, Seed: info.seed, Kernels: info.kernels, Machine: info.machine };
  return element("dl", { className: "facts" }, ...Object.entries(shown).filter(([, value]) => value !== undefined && value !== null)
    .flatMap(([term, value]) => [element("dt", { textContent: term }), element("dd", { textContent: value })]));
}

async function run() {
  const metrics = tail("metrics");
  const transcripts = tail("samples");
  let first = true;
  while (true) {
    try {
      const [info, news, newSamples] = await Promise.all([
        request(`/runs/file/info?run=${encodeURIComponent(name)}`).then(response => response.json()), metrics.read(), transcripts.read()]);
      if (first || news || newSamples) {
        const focused = document.activeElement?.id;
        const scroll = scrollY;
        main.replaceChildren(
          element("h2", {}, ...(info.status === "running" ? [element("span", { className: "live" })] : []), name), facts(info),
          ...section("rl", metrics.lines.filter(line => line.stage === "rl")),
          ...section("pretrain", metrics.lines.filter(line => line.stage === "pretrain")),
          ...evaluations(metrics.lines), ...samples(transcripts.lines));
        if (focused) document.getElementById(focused)?.focus();
        scrollTo(0, scroll);
        document.title = `${name} · Fathom`;
      }
      first = false;
    } catch (error) {
      if (first) return fail(error);
    }
    await new Promise(resolve => setTimeout(resolve, document.hidden ? 5 * INTERVAL : INTERVAL));
  }
}

(name ? run() : list()).catch(fail);
