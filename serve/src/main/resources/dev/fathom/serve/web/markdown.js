// Markdown as models write it. Everything is escaped first, so that nothing a model writes becomes part of the page.
import { mathml } from "./mathml.js";

const escape = text => text.replace(/[&<>"']/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]);

/** Parts that no rule may touch, code and maths, are kept aside under a mark that text cannot contain. */
class Aside {
  constructor() { this.parts = []; }
  keep(html) { this.parts.push(html); return `\u0000${this.parts.length - 1}\u0000`; }
  restore(text) { return text.replace(/\u0000(\d+)\u0000/g, (_, i) => this.parts[i]); }
}

function inline(source, aside) {
  let text = source
    .replace(/(`+)([^]*?[^`])\1(?!`)/g, (_, ticks, code) => aside.keep(`<code>${escape(code.trim())}</code>`))
    .replace(/\\\(([^]+?)\\\)/g, (_, math) => aside.keep(mathml(math, false)))
    .replace(/\$(?!\s)((?:[^$\\\n]|\\.)+?)(?<!\s)\$(?!\d)/g, (_, math) => aside.keep(mathml(math, false)));
  text = escape(text)
    .replace(/\*\*([^]+?)\*\*|__([^]+?)__/g, (_, a, b) => `<strong>${a ?? b}</strong>`)
    .replace(/(?<![\w*])\*(?!\s)([^*]+?)(?<!\s)\*(?![\w*])/g, "<em>$1</em>")
    .replace(/(?<!\w)_(?!\s)([^_]+?)(?<!\s)_(?!\w)/g, "<em>$1</em>")
    .replace(/~~([^]+?)~~/g, "<del>$1</del>")
    .replace(/\[([^\]]+)\]\((https?:[^\s)]+)\)/g, '<a href="$2" target="_blank" rel="noopener noreferrer">$1</a>');
  return text.replace(/ {2,}\n/g, "<br>");
}

const LIST = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;

function list(lines, aside) {
  const [, indent, mark] = lines[0].match(LIST);
  const ordered = /\d/.test(mark);
  const items = [];
  for (const line of lines) {
    const found = line.match(LIST);
    if (found && found[1].length <= indent.length) items.push([found[3]]);
    else items.at(-1).push(line);
  }
  const html = items.map(([first, ...rest]) => {
    const depth = Math.min(...rest.filter(line => line.trim()).map(line => line.match(/^\s*/)[0].length));
    const inner = rest.map(line => line.slice(Number.isFinite(depth) ? depth : 0));
    return `<li>${inline(first, aside)}${inner.some(line => line.trim()) ? blocks(inner, aside) : ""}</li>`;
  }).join("");
  const start = ordered ? ` start="${parseInt(mark)}"` : "";
  return ordered ? `<ol${start}>${html}</ol>` : `<ul>${html}</ul>`;
}

const cells = line => line.trim().replace(/^\||\|$/g, "").split("|").map(cell => cell.trim());

function table(lines, aside) {
  const row = (line, tag) => `<tr>${cells(line).map(cell => `<${tag}>${inline(cell, aside)}</${tag}>`).join("")}</tr>`;
  return `<table><thead>${row(lines[0], "th")}</thead><tbody>${lines.slice(2).map(line => row(line, "td")).join("")}</tbody></table>`;
}

function blocks(lines, aside) {
  let html = "";
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    const take = test => { const from = at; while (at < lines.length && test(lines[at], at - from)) at++; return lines.slice(from, at); };
    if (!line.trim()) { at++; continue; }
    if (/^\u0000\d+\u0000$/.test(line.trim())) { html += line.trim(); at++; continue; }
    const heading = line.match(/^(#{1,6})\s+(.*)$/);
    if (heading) { const level = Math.min(6, heading[1].length + 2); html += `<h${level}>${inline(heading[2], aside)}</h${level}>`; at++; continue; }
    if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) { html += "<hr>"; at++; continue; }
    if (/^>/.test(line)) { html += `<blockquote>${blocks(take(l => /^>/.test(l)).map(l => l.replace(/^>\s?/, "")), aside)}</blockquote>`; continue; }
    if (line.includes("|") && /^\s*\|?[\s:|-]+$/.test(lines[at + 1] ?? "") && lines[at + 1].includes("-")) { html += table(take(l => l.includes("|")), aside); continue; }
    if (LIST.test(line)) {
      html += list(take((l, i) => i === 0 || LIST.test(l) || /^\s+\S/.test(l) || (!l.trim() && /^\s+\S/.test(lines[at + 1] ?? ""))), aside);
      continue;
    }
    const paragraph = take((l, i) => i === 0 || (l.trim() && !/^(#{1,6}\s|>|\s*([-*+]|\d+[.)])\s)/.test(l) && !/^\u0000\d+\u0000$/.test(l.trim())));
    html += `<p>${inline(paragraph.join("\n"), aside)}</p>`;
  }
  return html;
}

/** HTML of a text, also of one that is not complete. */
export function markdown(source) {
  const aside = new Aside();
  const text = source
    .replace(/\u0000/g, "")
    .replace(/^( {0,3})(```+|~~~+)([^\n`]*)\n([^]*?)(?:\n\1\2[^\n]*(?=\n|$)|$(?![^]))/gm, (_, indent, fence, language, code) =>
      `\n${aside.keep(`<pre tabindex="0"><code>${escape(code)}</code></pre>`)}\n`)
    .replace(/\$\$([^]+?)\$\$|\\\[([^]+?)\\\]/g, (_, a, b) => `\n${aside.keep(`<div class="display" tabindex="0">${mathml(a ?? b, true)}</div>`)}\n`);
  return aside.restore(blocks(text.split("\n"), aside));
}
