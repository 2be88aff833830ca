"use strict";

// What the page does by itself without a script, it does at once with one: the form is sent to the
// service as its button does, and the parts of the page that comes back take the place of the old.

const form = document.getElementById("record");
const said = document.getElementById("said");
const parts = ["shown", ...[...form.querySelectorAll("[aria-describedby]")].map((each) => `${each.id}h`)];
const comma = form.dataset.comma;

/** Milliseconds without a change after which the form is sent: of a slider, of anything else. */
const PAUSES = { range: 200, other: 700 };

let timer, pending, quietUntil = 0;
let asked = new URLSearchParams(new FormData(form)).toString();

function showPage(page) {
  const before = said.querySelector("[data-now]")?.dataset.now;
  said.replaceChildren(...page.getElementById("said").childNodes);
  const now = said.querySelector("[data-now]")?.dataset.now;
  if (before && now && before !== now) {
    const change = document.createElement("p");
    change.className = "dim";
    change.textContent = `${before} → ${now}`;
    said.append(change);
  }
  for (const id of parts) {
    document.getElementById(id).replaceChildren(...(page.getElementById(id)?.childNodes ?? []));
  }
  for (const control of form.querySelectorAll("[aria-describedby]")) {
    const isInvalid = page.getElementById(control.id)?.hasAttribute("aria-invalid");
    control.toggleAttribute("aria-invalid", isInvalid);
    if (isInvalid) control.setAttribute("aria-invalid", "true");
  }
  const codes = page.querySelectorAll("#code code");
  document.querySelectorAll("#code code").forEach((code, at) => {
    code.textContent = codes[at].textContent;
  });
}

async function ask() {
  const body = new URLSearchParams(new FormData(form));
  if (body.toString() === asked || Date.now() < quietUntil) return;
  asked = body.toString();
  pending?.abort();
  pending = new AbortController();
  try {
    const answer = await fetch(form.action, { method: "POST", body, signal: pending.signal });
    if (answer.status === 429) {
      quietUntil = Date.now() + 1000 * (Number(answer.headers.get("Retry-After")) || 60);
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // Another page says that the session has ended, or the limit is reached: the button shows it.
    if (answer.status !== 429 && page.getElementById("said")) showPage(page);
  } catch {
    // A newer request has taken its place, or there is no connection.
  }
}

function follow(control) {
  const slider = form.querySelector(`[data-for="${control.id}"]`);
  if (control.type === "range") {
    const text = document.getElementById(control.dataset.for);
    text.value = comma ? control.value.replace(".", comma) : control.value;
  } else if (slider && control.value.trim()) {
    slider.value = comma ? control.value.replace(comma, ".") : control.value;
  }
}

form.addEventListener("input", (event) => {
  follow(event.target);
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSES[event.target.type] ?? PAUSES.other);
});
form.addEventListener("submit", () => {
  clearTimeout(timer);
  pending?.abort();
});
form.querySelectorAll("[type=range]").forEach((slider) => { slider.hidden = false; });

// Code is copied with a button.

const codes = document.getElementById("code");
for (const code of codes.querySelectorAll("code")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = codes.dataset.copy;
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      document.execCommand("copy"); // where there is no TLS
    }
    button.textContent = codes.dataset.copied;
    setTimeout(() => { button.textContent = codes.dataset.copy; }, 2000);
  });
  code.parentElement.after(button);
}

// A table is sent with progress, and its first answers are shown.

const table = document.getElementById("table");
const bar = document.getElementById("progress");
const result = document.getElementById("table-said");

/** The rows of the beginning of CSV as this service writes it. */
function rowsOf(text, delimiter) {
  const rows = [[]];
  const cells = new RegExp(`(?:"((?:[^"]|"")*)"|([^${delimiter}\\r\\n]*))([${delimiter}]|\\r?\\n|$)`, "g");
  for (const [, quoted, plain, end] of text.matchAll(cells)) {
    rows.at(-1).push(quoted?.replaceAll('""', '"') ?? plain);
    if (end !== delimiter) rows.push([]);
  }
  return rows;
}

const { lang } = document.documentElement;
const rounded = new Intl.NumberFormat(lang, {
  maximumSignificantDigits: 5, useGrouping: lang === "pt-BR" || "min2",
});

/** A cell as people read it: numbers with a fraction have few digits. */
function written(cell) {
  const number = /^-?\d+[.,]\d|^-?\d+e/.test(cell) ? Number(cell.replace(",", ".")) : NaN;
  return Number.isFinite(number) ? rounded.format(number) : cell;
}

async function showAnswers(answer) {
  const blob = answer.response;
  const charset = /charset=(\S+)/.exec(answer.getResponseHeader("Content-Type"))[1];
  const delimiter = decodeURIComponent(answer.getResponseHeader("X-Delimiter"));
  const text = new TextDecoder(charset).decode(await blob.slice(0, 2 ** 16).arrayBuffer());
  const [head, ...all] = rowsOf(text.replace(/^"?sep=."?\r?\n/, ""), delimiter).slice(0, 11);
  const rows = all.filter((row) => row.length === head.length);
  const columns = [...head.keys()].slice(-answer.getResponseHeader("X-Answer-Columns"))
    .filter((at) => rows.some((row) => row[at]));
  const shown = document.createElement("table");
  shown.className = "stacked";
  for (const [number, cells] of [head, ...rows].entries()) {
    const row = shown.insertRow();
    row.append(document.createElement("th"));
    row.lastChild.textContent = number || "";
    for (const at of columns) {
      row.append(document.createElement(number ? "td" : "th"));
      row.lastChild.textContent = number ? written(cells[at]) : cells[at];
      if (number) row.lastChild.dataset.label = head[at];
    }
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = table.dataset.file;
  link.textContent = table.dataset.download;
  const first = document.createElement("p");
  first.textContent = table.dataset.first;
  result.replaceChildren(link, first, shown);
}

function send(event) {
  event.preventDefault();
  const request = new XMLHttpRequest();
  request.open("POST", table.action);
  request.responseType = "blob";
  request.upload.onprogress = ({ loaded, total }) => { bar.value = loaded / total; };
  request.upload.onload = () => bar.removeAttribute("value"); // the rest of the rows
  request.onloadend = async () => {
    bar.hidden = true;
    if (request.status === 200) {
      showAnswers(request);
    } else if (request.status) {
      const page = new DOMParser().parseFromString(await request.response.text(), "text/html");
      const part = page.getElementById("table-said") ?? page.querySelector("main");
      result.replaceChildren(...part.childNodes);
    } else {
      result.textContent = table.dataset.lost;
    }
  };
  result.replaceChildren();
  bar.value = 0;
  bar.hidden = false;
  request.send(new FormData(table));
}

table.addEventListener("submit", send);
table.addEventListener("dragover", (event) => event.preventDefault());
table.addEventListener("drop", (event) => {
  event.preventDefault();
  const files = event.dataTransfer.files;
  if (files.length) {
    table.querySelector("[type=file]").files = files;
  } else {
    table.querySelector("textarea").value = event.dataTransfer.getData("text");
  }
});
