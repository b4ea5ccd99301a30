// The page works without this: it only saves a reload, and the mouse. Keys: j k Enter on lists; a d on what waits, in its list and in full.
"use strict";
const typing = () => ["TEXTAREA", "INPUT"].includes(document.activeElement && document.activeElement.tagName);
async function refresh() {
  const reason = document.querySelector("textarea");
  if (document.querySelector("main [data-still]")) return; // to look at it once is a record
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
  const wanted = { a: "approve", d: "deny" }[event.key];
  if (wanted && at >= 0 && rows[at].dataset.asks) location.href = rows[at].dataset.to + "#" + wanted;
  else if (wanted && choose(wanted)) event.preventDefault();
});
// Which button Ctrl+Enter presses once there is a reason: never one without the other.
const choose = (decision) => {
  const reason = document.querySelector("textarea");
  if (!reason) return false;
  document.querySelectorAll("button[name=decision]").forEach((one) => one.classList.toggle("at", one.value === decision));
  reason.focus();
  return true;
};
document.addEventListener("keydown", (event) => {
  const chosen = document.querySelector("button.at");
  if (event.key === "Enter" && event.ctrlKey && typing() && chosen) chosen.click();
});
if (["#approve", "#deny"].includes(location.hash)) choose(location.hash.slice(1));
