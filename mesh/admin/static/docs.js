// Draws /docs.json and calls. One rule: what comes from a contract or an answer becomes text, never markup.
"use strict";

const token = document.querySelector('meta[name="mesh-token"]').content;
const MAX_DEPTH = 12; // of types inside types; a recursive one would go on for ever

/** An element with attributes and children; texts stay texts. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function plain(number) {
  return Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(12)));
}

// -- types

function rulesOf(field) {
  const rules = [];
  for (const name of ["min", "max", "max_length"]) {
    if (field[name] !== null) rules.push(`${name} ${plain(field[name])}`);
  }
  if (field.pattern !== null) rules.push(`pattern ${field.pattern}`);
  return rules.join(", ");
}

function drawFields(fields, docs, depth = 0) {
  return make("ul", { class: "fields" }, fields.map((field) => make("li", {}, drawField(field, docs, depth))));
}

function drawField(field, docs, depth) {
  const demand = { true: "required ", false: "optional " }[field.required] || "";
  const fallback = field.default === null ? "" : ` = ${JSON.stringify(field.default)}`;
  const line = [
    make("code", {}, `${field.id}: ${demand}${field.type} `, make("strong", {}, field.name), fallback),
  ];
  const rules = rulesOf(field);
  if (rules) line.push(" ", make("span", { class: "rule" }, rules));
  if (field.pii) line.push(" ", make("span", { class: "mark" }, "pii: never shown or logged"));
  if (field.deprecated !== null) line.push(" ", make("span", { class: "mark" }, `deprecated: ${field.deprecated}`));
  return [...line, ...drawTypes(field.type, docs, depth)];
}

/** What the struct and enum names in a type's text stand for, each to be opened. */
function drawTypes(type, docs, depth) {
  const names = new Set((type || "").match(/[A-Za-z_][\w.]*/g) || []);
  const found = [];
  for (const name of names) {
    if (name in docs.enums) {
      const members = Object.entries(docs.enums[name]).map(([member, number]) => `${member} = ${number}`);
      found.push(make("details", {}, make("summary", {}, `enum ${name}`), make("code", {}, members.join(", "))));
    } else if (name in docs.structs && depth < MAX_DEPTH) {
      found.push(drawStruct(name, docs, depth + 1));
    }
  }
  return found;
}

/** Filled when it is opened first, so that recursive types end. */
function drawStruct(name, docs, depth) {
  const struct = docs.structs[name];
  const details = make("details", {}, make("summary", {}, `${struct.kind} ${name}`));
  details.addEventListener("toggle", () => details.append(drawFields(struct.fields, docs, depth)), { once: true });
  return details;
}

// -- methods

function signature(method) {
  const takes = method.parameters.map((field) => `${field.type} ${field.name}`).join(", ");
  const gives = method.oneway ? "oneway" : method.result || "void";
  return `${method.wire_name}(${takes}) \u2192 ${gives}`;
}

function badges(method) {
  const policy = method.policy;
  const sla = policy.sla;
  const said = [`timeout ${policy.timeout_ms} ms`, `priority ${policy.priority}`];
  said.push(policy.idempotent ? `idempotent, ${policy.attempts} attempts` : "not idempotent");
  if (policy.hedge) said.push("hedged");
  if (sla.stated) said.push(`SLA ${plain(sla.availability)} % over ${plain(sla.window_s / 86400)} days`);
  if (sla.p50_ms !== null) said.push(`p50 ${plain(sla.p50_ms)} ms`);
  if (sla.p99_ms !== null) said.push(`p99 ${plain(sla.p99_ms)} ms`);
  if (method.oneway) said.push("oneway: no answer");
  const list = said.map((text) => make("li", {}, text));
  if (policy.deprecated) list.push(make("li", { class: "warn" }, `deprecated: ${policy.deprecated}`));
  return make("ul", { class: "badges" }, list);
}

function drawMethod(service, method, docs) {
  const id = anchor(service, method);
  const part = make("section", { class: "method", id, "aria-labelledby": `${id}-name` });
  part.append(
    make("h3", { id: `${id}-name` }, method.wire_name),
    make("code", { class: "signature" }, signature(method)),
    badges(method),
    make("h4", {}, "Takes"),
    method.parameters.length ? drawFields(method.parameters, docs) : make("p", { class: "rule" }, "nothing"),
    make("h4", {}, "Gives"),
    make("div", {}, make("code", {}, method.oneway ? "no answer" : method.result || "void"),
      drawTypes(method.result, docs, 0)),
  );
  if (method.throws.length) {
    part.append(make("h4", {}, "Throws"), ...method.throws.map((line) => make("div", {},
      make("span", { class: "rule" }, `fault of the ${line.fault}`), drawTypes(line.type, docs, 0))));
  }
  part.append(drawCall(service, method, docs, id));
  return part;
}

function anchor(service, method) {
  return `${service.called}.${method.wire_name.replace("::", ".")}`;
}

// -- calling

function drawCall(service, method, docs, id) {
  const example = JSON.stringify(method.example, null, 2);
  if (!docs.form.on) return make("div", {}, make("h4", {}, "Example"), make("pre", {}, example));
  const body = make("textarea", { id: `${id}-body`, spellcheck: "false", autocomplete: "off" });
  body.value = example;
  const timeout = make("input", { id: `${id}-timeout`, type: "number", min: "1", max: docs.form.max_timeout_ms,
    value: Math.min(method.policy.timeout_ms, docs.form.max_timeout_ms) });
  const headers = make("input", { id: `${id}-headers`, placeholder: '{"key": "value"}', autocomplete: "off",
    spellcheck: "false" });
  const button = make("button", { type: "submit" }, "Call");
  const answer = make("div", { class: "answer", role: "status", "aria-live": "polite" });
  const form = make("form", { "aria-label": `Call ${method.wire_name}`, novalidate: "" },
    make("h4", {}, "Call"),
    make("label", { for: body.id }, "Arguments, as JSON"), body,
    make("div", { class: "row" },
      make("div", {}, make("label", { for: timeout.id }, "Deadline, ms"), timeout),
      make("div", {}, make("label", { for: headers.id }, "Headers, as JSON"), headers)),
    button, answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    answer.replaceChildren("under way\u2026");
    answer.className = "answer";
    try {
      const request = asked(service, method, body.value, timeout.value, headers.value);
      const bytes = new TextEncoder().encode(request).length;
      const limit = docs.form.max_request_bytes;
      if (bytes > limit) throw new Error(`the request has ${bytes} bytes; at most ${limit} are sent from here`);
      show(answer, await call(request));
    } catch (error) {
      refuse(answer, error.message);
    } finally {
      button.disabled = false;
    }
  });
  return form;
}

function asked(service, method, body, timeout, headers) {
  const request = { service: service.called, method: method.wire_name, body: read(body, "the arguments") };
  if (timeout !== "") request.timeout_ms = Number(timeout);
  if (headers.trim() !== "") request.headers = read(headers, "the headers");
  return JSON.stringify(request).replace(MARKED, "$1");
}

// Integers beyond 2^53 would be rounded: they travel as they were typed, through a text that is unmarked again.
const MARK = "\u0000mesh-number:";
const MARKED = /"\\u0000mesh-number:(-?\d+)"/g;

function read(text, what) {
  try {
    JSON.parse(text.trim() || "{}");
  } catch (error) {
    throw new Error(`${what}: not JSON: ${error.message}`);
  }
  const kept = (text.trim() || "{}").replace(/"(?:[^"\\]|\\.)*"|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g, (found) =>
    found.startsWith('"') ? found : JSON.stringify(MARK + found));
  const value = JSON.parse(kept);
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error(`${what}: an object, please`);
  return value;
}

async function call(request) {
  const response = await fetch("/docs/call", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Mesh-Token": token },
    body: request,
    credentials: "omit",
    cache: "no-store",
  });
  const text = await response.text();
  let said;
  try {
    said = JSON.parse(text);
  } catch (error) {
    throw new Error(`the admin side answered ${response.status}: ${text.slice(0, 200)}`);
  }
  if (said.problem) throw new Error(said.problem);
  return { said, text };
}

/** A member of the answer; out of its text as it came where numbers in it are larger than JavaScript's. */
function shownAs(text, key, value) {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith(` "${key}": `));
  const end = lines.findIndex((line, at) => at > start && (line.startsWith(' "') || line.startsWith("}")));
  const part = lines.slice(start, end).map((line) => line.slice(1)).join("\n");
  if (!/\d{16,}/.test(part)) return JSON.stringify(value, null, 2);
  return part.replace(`"${key}": `, "").replace(/,$/, "");
}

function show(answer, { said, text }) {
  const took = said.elapsed_ms === null ? "" : ` in ${said.elapsed_ms} ms`;
  const kind = said.outcome === "ok" ? "good" : said.exception ? "declared" : "bad";
  answer.className = `answer ${kind}`;
  const lines = [make("p", { class: "outcome" }, `${said.outcome}${took}`)];
  if (said.exception) {
    lines.push(make("p", {}, `${said.exception.name}, declared; fault of the ${said.exception.fault}`));
    lines.push(make("pre", { class: "value" }, shownAs(text, "exception", said.exception)));
  } else if (said.error) {
    lines.push(make("p", { class: "value" }, said.error.text), make("p", { class: "rule" }, said.error.advice));
    lines.push(make("p", { class: "rule" }, said.error.may_have_run ? "It may have run." : "It did not run."));
  } else {
    lines.push(make("pre", { class: "value" }, shownAs(text, "value", said.value)));
  }
  if (Object.keys(said.headers).length) lines.push(make("p", {}, `headers ${JSON.stringify(said.headers)}`));
  lines.push(make("p", { class: "rule" }, "trace ", make("code", { class: "trace" }, said.trace)));
  answer.replaceChildren(...lines);
}

function refuse(answer, reason) {
  answer.className = "answer bad";
  answer.replaceChildren(make("p", { class: "outcome" }, "not called"), make("p", { class: "value" }, reason));
}

// -- the page

function draw(docs) {
  document.title = `${docs.node}: methods`;
  document.getElementById("title").textContent = docs.node;
  document.getElementById("about").textContent =
    `version ${docs.version || "unknown"}, ${docs.address ? `listens at ${docs.address}` : "does not listen yet"}`;
  const off = document.getElementById("off");
  off.textContent = docs.form.why_off;
  off.hidden = docs.form.on;
  const main = document.getElementById("methods");
  const index = document.getElementById("index");
  main.replaceChildren();
  for (const service of docs.services) {
    const owner = service.owner ? `, owner ${service.owner}` : "";
    main.append(make("h2", {}, `${service.service}, called as ${service.called}`),
      make("p", { class: "rule" }, `contract ${service.contract}, digest ${service.digest.slice(0, 16)}${owner}`));
    index.append(make("li", { class: "service" }, service.called));
    for (const method of service.methods) {
      main.append(drawMethod(service, method, docs));
      index.append(make("li", { "data-method": anchor(service, method) },
        make("a", { href: `#${encodeURIComponent(anchor(service, method))}` }, method.name)));
    }
  }
  if (!docs.services.length) main.append(make("p", {}, "This process serves nothing; it only calls."));
}

function filter(text) {
  for (const item of document.querySelectorAll("#index [data-method]")) {
    const there = item.dataset.method.toLowerCase().includes(text.trim().toLowerCase());
    item.hidden = !there;
    document.getElementById(item.dataset.method).hidden = !there;
  }
}

async function start() {
  try {
    const response = await fetch("/docs.json", { credentials: "omit", cache: "no-store" });
    if (!response.ok) throw new Error(`the admin side answered ${response.status}`);
    draw(await response.json());
    document.body.dataset.ready = "true";
  } catch (error) {
    document.getElementById("about").textContent = `The contract could not be read: ${error.message}`;
  }
  document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
}

start();
