// Keeps the page up to date: when something happens, the page is fetched anew, and the parts
// that changed are swapped. Without this script the page is the same, and is reloaded by hand.
"use strict";

(() => {
  // Between two looks, however much happens.
  const PAUSE_MS = 1500;
  const light = document.querySelector(".live");
  let due = null;
  let busy = false;
  let last = 0;

  const show = (on) => {
    light.hidden = false;
    light.dataset.on = on ? "yes" : "no";
    const text = on ? light.dataset.liveText : light.dataset.offlineText;
    if (light.textContent !== text) light.textContent = text;
  };

  // Nobody's words are taken from under their hands.
  const inUse = (part) =>
    part.contains(document.activeElement) &&
    document.activeElement.matches("input, textarea, select");

  const typedIn = (part) =>
    [...part.querySelectorAll("input:not([type=hidden]), textarea")].some(
      (field) => field.type !== "checkbox" ? field.value !== field.defaultValue : field.checked !== field.defaultChecked,
    );

  const swap = (now, then) => {
    if (now.innerHTML === then.innerHTML && now.className === then.className) return;
    if (inUse(now) || typedIn(now)) return;
    for (const open of now.querySelectorAll("details[open]")) {
      const same = open.id && then.querySelector("#" + CSS.escape(open.id));
      if (same) same.open = true;
    }
    const at = document.activeElement;
    const focused = now.contains(at) ? [at.tagName, at.getAttribute("href"), at.getAttribute("aria-label")] : null;
    now.className = then.className;
    now.replaceChildren(...then.childNodes);
    if (focused) {
      const [tag, href, label] = focused;
      const same = [...now.querySelectorAll(tag)].find(
        (one) => one.getAttribute("href") === href && one.getAttribute("aria-label") === label,
      );
      if (same) same.focus({ preventScroll: true });
    }
  };

  const look = async () => {
    due = null;
    if (document.hidden) return;
    busy = true;
    try {
      const url = new URL(location.href);
      url.searchParams.delete("done");
      const answer = await fetch(url, { cache: "no-store", redirect: "error" });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          const then = fresh.getElementById(part.id);
          if (then) swap(part, then);
        }
        document.title = fresh.title;
      }
    } catch {
      show(false);
    }
    last = Date.now();
    busy = false;
  };

  const soon = () => {
    if (due !== null) return;
    due = setTimeout(() => (busy ? ((due = null), soon()) : look()), Math.max(100, last + PAUSE_MS - Date.now()));
  };

  if (!document.querySelector("[data-live]")) return;
  const events = new EventSource("/api/v1/events");
  events.addEventListener("open", () => { show(true); soon(); });
  events.addEventListener("error", () => show(false));
  for (const type of [
    "missed", "source.polled", "deliveries.opened", "deliveries.settled", "deliveries.retried",
    "deliveries.cancelled", "sink.revived", "silence.added", "silence.expired", "failure.acknowledged",
  ]) events.addEventListener(type, soon);
  // What says "2 min ago" gets older though nothing happens.
  setInterval(soon, 60_000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
})();
