"use strict";

const form = document.getElementById("key-form");
const box = document.getElementById("key");
const message = document.getElementById("message");

// The key stays in the memory of this page.
function show(description, key) {
  // Below a proxy's path, requests go there too, whatever the service knows of it.
  const path = location.pathname.replace(/\/docs$/, "");
  const page = SwaggerUIBundle({
    spec: path ? { ...description, servers: [{ url: path }] } : description,
    dom_id: "#docs",
    deepLinking: true,
    tryItOutEnabled: true,
    // No validator: it would send the document to somebody else's server.
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    onComplete: () => key && page.preauthorizeApiKey("ApiKey", key),
  });
}

async function load(key) {
  const answer = await fetch("openapi.json", { headers: key ? { "x-api-key": key } : {} });
  const found = await answer.json();
  form.hidden = answer.ok;
  if (answer.ok) {
    show(found, key);
  } else {
    message.textContent = key || answer.status !== 401 ? found.detail : "";
    box.focus();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  load(box.value.trim());
});
load("");
