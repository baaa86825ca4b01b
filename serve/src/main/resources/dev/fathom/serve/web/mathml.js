// TeX as models write it, as MathML, which browsers draw by themselves. What is not known is shown as it is written.
const SYMBOLS = {
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ϵ", varepsilon: "ε", zeta: "ζ", eta: "η", theta: "θ", iota: "ι",
  kappa: "κ", lambda: "λ", mu: "μ", nu: "ν", xi: "ξ", pi: "π", rho: "ρ", sigma: "σ", tau: "τ", upsilon: "υ", phi: "ϕ",
  varphi: "φ", chi: "χ", psi: "ψ", omega: "ω", Gamma: "Γ", Delta: "Δ", Theta: "Θ", Lambda: "Λ", Xi: "Ξ", Pi: "Π",
  Sigma: "Σ", Phi: "Φ", Psi: "Ψ", Omega: "Ω", infty: "∞", partial: "∂", nabla: "∇", ell: "ℓ", hbar: "ℏ", emptyset: "∅",
};
const OPERATORS = {
  times: "×", cdot: "⋅", div: "÷", pm: "±", mp: "∓", le: "≤", leq: "≤", ge: "≥", geq: "≥", ne: "≠", neq: "≠", approx: "≈",
  equiv: "≡", sim: "∼", propto: "∝", to: "→", rightarrow: "→", leftarrow: "←", Rightarrow: "⇒", implies: "⇒", iff: "⇔",
  Leftrightarrow: "⇔", mapsto: "↦", in: "∈", notin: "∉", subset: "⊂", subseteq: "⊆", cup: "∪", cap: "∩", forall: "∀",
  exists: "∃", neg: "¬", land: "∧", lor: "∨", sum: "∑", prod: "∏", int: "∫", oint: "∮", ldots: "…", cdots: "⋯", dots: "…",
  mid: "|", parallel: "∥", perp: "⊥", angle: "∠", circ: "∘", ast: "∗", star: "⋆", oplus: "⊕", otimes: "⊗", setminus: "∖",
  langle: "⟨", rangle: "⟩", lfloor: "⌊", rfloor: "⌋", lceil: "⌈", rceil: "⌉", therefore: "∴", because: "∵", degree: "°",
};
const FUNCTIONS = new Set(["sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "lim", "max", "min", "gcd", "lcm", "det", "arcsin",
  "arccos", "arctan", "sinh", "cosh", "tanh", "mod", "bmod", "dim", "ker", "Pr", "sup", "inf"]);
const SPACES = { ",": ".17em", ":": ".22em", ";": ".28em", " ": ".28em", quad: "1em", qquad: "2em", "!": "0" };
const LETTERS = { mathbb: { R: "ℝ", N: "ℕ", Z: "ℤ", Q: "ℚ", C: "ℂ", P: "ℙ", E: "𝔼" } };
const LIMITS = new Set(["∑", "∏", "lim", "max", "min", "sup", "inf"]);

const escape = text => text.replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

class Reader {
  constructor(source) {
    this.tokens = source.match(/\\[a-zA-Z]+|\\.|[0-9]+(?:[.,][0-9]+)*|\s+|[^]/gu) ?? [];
    this.at = 0;
  }

  peek() { return this.tokens[this.at]; }
  next() { return this.tokens[this.at++]; }
  skipSpaces() { while (/^\s+$/.test(this.peek() ?? "")) this.at++; }

  row(end) {
    let parts = "";
    while (this.at < this.tokens.length && !end(this.peek())) parts += this.scripted(end);
    return `<mrow>${parts}</mrow>`;
  }

  /** One thing with what stands above and below it. */
  scripted(end) {
    const first = this.tokens[this.at];
    const base = this.atom();
    let low = null, high = null;
    while (true) {
      this.skipSpaces();
      const next = this.peek();
      if (next === "_" && low === null) { this.next(); low = this.argument(); }
      else if (next === "^" && high === null) { this.next(); high = this.argument(); }
      else if (next === "'") { this.next(); high = (high ?? "") + "<mo>′</mo>"; }
      else break;
    }
    if (low === null && high === null) return base;
    const name = first?.startsWith("\\") ? OPERATORS[first.slice(1)] ?? first.slice(1) : "";
    const kind = LIMITS.has(name) ? ["munder", "mover", "munderover"] : ["msub", "msup", "msubsup"];
    if (high === null) return `<${kind[0]}>${base}${low}</${kind[0]}>`;
    if (low === null) return `<${kind[1]}>${base}<mrow>${high}</mrow></${kind[1]}>`;
    return `<${kind[2]}>${base}${low}<mrow>${high}</mrow></${kind[2]}>`;
  }

  /** A group in braces, or the next thing. */
  argument() {
    this.skipSpaces();
    if (this.peek() === "{") {
      this.next();
      const row = this.row(token => token === "}");
      this.next();
      return row;
    }
    return this.at < this.tokens.length ? this.atom() : "<mrow></mrow>";
  }

  /** The text of a group in braces, as it is. */
  words() {
    this.skipSpaces();
    if (this.peek() !== "{") return this.next() ?? "";
    this.next();
    let text = "", depth = 1;
    while (this.at < this.tokens.length) {
      const token = this.next();
      depth += token === "{" ? 1 : token === "}" ? -1 : 0;
      if (depth === 0) break;
      text += token;
    }
    return text;
  }

  atom() {
    const token = this.next();
    if (token === undefined || /^\s+$/.test(token)) return "";
    if (token === "{") { this.at--; return this.argument(); }
    if (token === "}") return "";
    if (/^[0-9]/.test(token)) return `<mn>${token}</mn>`;
    if (/^\p{L}$/u.test(token)) return `<mi>${escape(token)}</mi>`;
    if (token === "-") return "<mo>−</mo>";
    if (token === "&" || token === "~") return "<mspace width='.28em'/>";
    if (!token.startsWith("\\")) return `<mo>${escape(token)}</mo>`;
    return this.command(token.slice(1));
  }

  command(name) {
    if (name in SPACES) return `<mspace width="${SPACES[name]}"/>`;
    if (name === "\\") return "<mspace linebreak='newline'/>";
    if (name in SYMBOLS) return `<mi>${SYMBOLS[name]}</mi>`;
    if (name in OPERATORS) return `<mo>${OPERATORS[name]}</mo>`;
    if (FUNCTIONS.has(name)) return `<mi>${name}</mi><mspace width=".17em"/>`;
    switch (name) {
      case "frac": case "dfrac": case "tfrac": return `<mfrac>${this.argument()}${this.argument()}</mfrac>`;
      case "binom": return `<mrow><mo>(</mo><mfrac linethickness="0">${this.argument()}${this.argument()}</mfrac><mo>)</mo></mrow>`;
      case "sqrt": {
        this.skipSpaces();
        if (this.peek() === "[") {
          this.next();
          const degree = this.row(token => token === "]");
          this.next();
          return `<mroot>${this.argument()}${degree}</mroot>`;
        }
        return `<msqrt>${this.argument()}</msqrt>`;
      }
      case "boxed": return `<mrow class="boxed">${this.argument()}</mrow>`;
      case "text": case "textbf": case "mathrm": case "operatorname": case "mbox": return `<mtext>${escape(this.words())}</mtext>`;
      case "mathbf": case "mathit": case "boldsymbol": case "displaystyle": return name === "displaystyle" ? "" : this.argument();
      case "mathbb": case "mathcal": { const letter = this.words(); return `<mi>${escape(LETTERS.mathbb[letter] ?? letter)}</mi>`; }
      case "overline": case "bar": return `<mover>${this.argument()}<mo>¯</mo></mover>`;
      case "hat": return `<mover>${this.argument()}<mo>^</mo></mover>`;
      case "vec": return `<mover>${this.argument()}<mo>→</mo></mover>`;
      case "left": case "right": case "big": case "Big": case "bigl": case "bigr": { this.skipSpaces(); const next = this.next() ?? ""; return next === "." ? "" : this.delimiter(next); }
      case "begin": { const what = this.words(); return this.environment(what); }
      case "end": this.words(); return "";
      default: return /^[a-zA-Z]/.test(name) ? `<mtext>\\${escape(name)}</mtext>` : `<mo>${escape(name)}</mo>`;
    }
  }

  delimiter(token) {
    const name = token.startsWith("\\") ? token.slice(1) : token;
    return `<mo>${escape(OPERATORS[name] ?? name)}</mo>`;
  }

  environment(name) {
    const inside = token => token === "\\end" || token === "&" || token === "\\\\";
    let rows = "", cells = "";
    while (this.at < this.tokens.length) {
      cells += `<mtd>${this.row(inside)}</mtd>`;
      const token = this.next();
      if (token === "&") continue;
      rows += `<mtr>${cells}</mtr>`;
      cells = "";
      if (token !== "\\\\") { this.words(); break; }
    }
    const fences = { pmatrix: ["(", ")"], bmatrix: ["[", "]"], vmatrix: ["|", "|"], cases: ["{", ""] }[name] ?? ["", ""];
    return `<mrow>${fences[0] && `<mo>${fences[0]}</mo>`}<mtable>${rows}</mtable>${fences[1] && `<mo>${fences[1]}</mo>`}</mrow>`;
  }
}

export function mathml(source, block) {
  const row = new Reader(source.trim()).row(() => false);
  return `<math${block ? ' display="block"' : ""} aria-label="${escape(source.trim())}">${row}</math>`;
}
