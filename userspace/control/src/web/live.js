// The page works without this: it only saves a reload, and the mouse. Keys: j k Enter on the list; a d on one approval.
"use strict";
const typing = () => ["TEXTAREA", "INPUT"].includes(document.activeElement && document.activeElement.tagName);
async function refresh() {
  const reason = document.querySelector("textarea");
  if (typing() || (reason && reason.value !== "")) return;
  const answer = await fetch(location.pathname, { credentials: "same-origin" });
  if (!answer.ok) return location.reload();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  if (fresh) document.querySelector("main").replaceWith(fresh);
}
document.documentElement.dataset.live = "yes";
const events = new EventSource("/events");
events.addEventListener("changed", refresh);
setInterval(refresh, 15000);
document.addEventListener("keydown", (event) => {
  if (typing() || event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = [...document.querySelectorAll("tr[data-to]")];
  const at = rows.findIndex((row) => row.classList.contains("at"));
  const mark = (to) => rows.forEach((row, index) => row.classList.toggle("at", index === to));
  if (event.key === "j" && rows.length) mark(Math.min(at + 1, rows.length - 1));
  if (event.key === "k" && rows.length) mark(Math.max(at - 1, 0));
  if (event.key === "Enter" && at >= 0) location.href = rows[at].dataset.to;
  const reason = document.querySelector("textarea");
  if (reason && (event.key === "a" || event.key === "d")) {
    reason.focus();
    event.preventDefault();
  }
});
