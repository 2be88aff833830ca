// Loads the page again every 30 seconds while somebody looks at it, and puts what is new into place.
// What is open, focused and scrolled to stays. Without this script there is the link to refresh.
const SECONDS = 30;
const FOCUSABLE = "a, button, input, summary";

function exchange(page) {
  const before = document.querySelector("main");
  const after = new DOMParser().parseFromString(page, "text/html").querySelector("main");
  const focused = [...before.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  const opened = [...before.querySelectorAll("details[open]")].map((part) => part.id);
  const { scrollX, scrollY } = window;
  after.querySelectorAll("script").forEach((script) => script.remove());
  for (const id of opened) after.querySelector(`#${id}`)?.setAttribute("open", "");
  before.replaceWith(after);
  after.querySelectorAll(FOCUSABLE)[focused]?.focus({ preventScroll: true });
  window.scrollTo(scrollX, scrollY);
}

async function refresh() {
  const isTyping = document.activeElement?.matches("main input");
  if (document.hidden || isTyping) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.ok && !document.activeElement?.matches("main input")) exchange(await answer.text());
  } catch {
    // The service is away: the page says when it was updated, and is asked for again later.
  }
}

setInterval(refresh, SECONDS * 1000);
document.addEventListener("visibilitychange", refresh);
