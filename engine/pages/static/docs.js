"use strict";

// Every word that this page shows stands in the document: it is translated there.

function quoted(text) {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

function address(form) {
  const url = new URL(form.dataset.address, location.href);
  for (const field of form.querySelectorAll("[data-query]")) {
    const value = field.type === "checkbox" ? field.checked && field.value : field.value.trim();
    if (value) {
      url.searchParams.set(field.dataset.query, value);
    }
  }
  return url;
}

// The curl line is that of this very request.
function showCurl(form) {
  const line = form.parentElement.querySelector(".curl");
  line.dataset.key ??= line.textContent.match(/ -H 'x-api-key: [^']*'/)?.[0] ?? "";
  const url = address(form).href;
  const body = form.elements.body?.value;
  const sent = body === undefined ? "" : ` \\\n -H 'Content-Type: application/json' -d ${quoted(body)}`;
  line.textContent = `curl -s ${/[?&]/.test(url) ? quoted(url) : url}${line.dataset.key}${sent}`;
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1);
  } catch {
    return text;
  }
}

async function send(form) {
  const outcome = form.querySelector(".outcome");
  const [status, shown] = outcome.children;
  const body = form.elements.body?.value;
  outcome.hidden = false;
  status.textContent = form.dataset.sending;
  shown.textContent = "";
  const begun = performance.now();
  try {
    const answer = await fetch(address(form), {
      method: form.dataset.method,
      body,
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    });
    const text = await answer.text();
    status.textContent = `${answer.status} ${answer.statusText} · ${Math.round(performance.now() - begun)} ms`;
    status.className = answer.ok ? "status better" : "status worse";
    shown.textContent = indented(text);
  } catch {
    status.textContent = form.dataset.failed;
    status.className = "status worse";
  }
  outcome.scrollIntoView({ block: "nearest" });
}

for (const form of document.querySelectorAll("form.trial")) {
  form.querySelector(".choices").hidden = false;
  form.elements.example?.addEventListener("change", (event) => {
    form.elements.body.value = event.target.value;
  });
  form.addEventListener("input", () => showCurl(form));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      form.requestSubmit();
    }
  });
  showCurl(form);
}

// A link to a folded group, or into one, unfolds it.

function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  target?.scrollIntoView();
}

addEventListener("hashchange", unfold);
unfold();
