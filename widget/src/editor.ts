/** The editor's page: what is wrong at each field, the preview, colours, and an address to try. Saving is htmx's. */
import { matches } from "./rules";
import type { Pattern } from "./types";
import type { Wish } from "./preview";

const by = <T extends HTMLElement>(id: string) => document.getElementById(id) as T | null;
const all = <T extends HTMLElement>(selector: string) => [...document.querySelectorAll<T>(selector)];
const RETRY = 3_000;
/** What stands above and below the preview when it is beside the fields, in pixels. */
const ABOVE = 330;
/** How high the part of a page is at least that is looked at in its own size. */
const LEAST = 420;

const form = by<HTMLFormElement>("fields");
const frame = by<HTMLIFrameElement>("preview")!;
const state = by<HTMLSelectElement>("preview-state")!;
const size = by<HTMLSelectElement>("preview-size")!;
const zoom = by<HTMLSelectElement>("preview-zoom")!;
const scheme = by<HTMLSelectElement>("preview-scheme")!;
const screen = frame.parentElement!;
const drawn = () => by("drawn")!.dataset as { config: string; language: string; patterns: string };

// ---- the preview

const draw = () => {
  const { config, language } = drawn();
  const wish: Wish = { config, language, state: state.value, scheme: scheme.value as "light" | "dark" };
  frame.contentWindow!.postMessage(wish, location.origin);
};
/** As large as the screen that is chosen: the corner with the survey in its own size, or all of it scaled down. */
const fit = () => {
  const [width, height] = size.value.split("x").map(Number) as [number, number];
  const beside = matchMedia("(min-width: 1081px)").matches;
  const room = beside ? Math.max(LEAST, innerHeight - ABOVE) : LEAST;
  frame.width = width + "";
  frame.height = height + "";
  if (zoom.value == "whole") {
    const scale = Math.min(1, screen.clientWidth / width, beside ? room / height : 1);
    frame.style.transform = `scale(${scale})`;
    screen.style.height = height * scale + "px";
    return;
  }
  const position = by("drawn")!.getAttribute("data-position")!; // “position” is a name on the wire, and gets shorter
  const high = Math.min(height, room);
  const left = Math.max(0, width - screen.clientWidth);
  const x = position.endsWith("right") ? left : position == "banner" ? left / 2 : 0;
  frame.style.transform = `translate(${-x}px, ${position == "banner" ? 0 : high - height}px)`;
  screen.style.height = high + "px";
};
addEventListener("message", (event) => {
  if (event.source == frame.contentWindow && event.data == "ready") draw();
});
for (const one of [state, scheme]) one.addEventListener("change", draw);
for (const one of [size, zoom]) one.addEventListener("change", fit);
addEventListener("resize", fit);
by("preview")!.closest("aside")!.hidden = false;
if (matchMedia("(prefers-color-scheme: dark)").matches) scheme.value = "dark";
if (innerWidth < 600) [size.value, zoom.value] = ["375x667", "whole"];
fit();
// what is being edited is what is looked at
if (location.pathname.endsWith("/edit/follow-up")) state.value = "negative";
if (location.pathname.endsWith("/edit/thank-you")) state.value = "thanks-negative";
const about = (place: string) => {
  const [, part, group] = place.match(/(follow_up|thank_you)\/(\w+)/) || [];
  if (part) state.value = (part == "thank_you" ? "thanks-" : "") + group;
  else if (place.startsWith("email_capture")) state.value = "email";
  else if (place.startsWith("appearance/callout")) state.value = "closed";
  else return;
  draw();
};
form?.addEventListener("focusin", (event) => about((event.target as HTMLInputElement).name || ""));

// ---- saving

/** Something was changed since the last save, and a save is on its way. */
let dirty = false;
let busy = false;
/** Where to go once all is saved. */
let next = "";
/** Milliseconds that a save may keep someone from the next page; what is left is sent as the page goes. */
const PATIENCE = 2_000;
const go = () => {
  if (next) location.href = next;
};
const said = (text: string, look = "state wrong") => {
  const line = by("state")!;
  line.className = look;
  line.textContent = text;
};
/** What htmx says of a request: one that saves, or one that only draws what is being typed. */
type Sent = CustomEvent<{ xhr: XMLHttpRequest; requestConfig: { elt: Element } }>;
const isSave = (event: Sent) => event.detail.requestConfig.elt == form;
const on = (name: string, act: (event: Sent) => void) =>
  document.addEventListener("htmx:" + name, (event) => {
    if (isSave(event as Sent)) act(event as Sent);
  });
const again = () => setTimeout(() => form!.dispatchEvent(new Event("again")), RETRY);
/** Fields that say nothing as things stand are not shown; what is in them is kept. */
const sift = () => {
  for (const one of all("[data-only]")) {
    const [place, ...values] = one.dataset.only!.split(" ");
    const field = form!.elements.namedItem(place!) as HTMLSelectElement | RadioNodeList | null;
    if (field) one.hidden = !values.includes(field.value); // what another tab decides is as it came
  }
};
if (form) {
  form.querySelector<HTMLElement>(".without-script")!.hidden = true;
  form.addEventListener("change", sift);
  form.addEventListener("input", () => {
    if (!dirty) said("Saving…", "state");
    dirty = true;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault(); // Enter in a field: it is saved already, or about to be
    form.dispatchEvent(new Event("again"));
  });
  on("beforeRequest", () => {
    dirty = false;
    busy = true;
  });
  on("afterRequest", () => {
    busy = false;
    if (!dirty) go();
  });
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>("a[href]");
    const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (!link || link.target || !plain || !(dirty || busy)) return;
    event.preventDefault(); // so that the next page has it
    next = link.href;
    if (dirty) form.dispatchEvent(new Event("again"));
    setTimeout(go, PATIENCE);
  });
  on("sendError", () => {
    dirty = true;
    said("Not saved: the collector cannot be reached. Trying again…");
    again();
  });
  // what could not be drawn is said when it is saved
  document.addEventListener("htmx:beforeSwap", (event) => {
    if ((event as Sent).detail.xhr.status != 200 && !isSave(event as Sent)) event.preventDefault();
  });
  on("beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.status == 200 || xhr.status == 401) return;
    event.preventDefault();
    dirty = true;
    let detail = "";
    try {
      detail = (JSON.parse(xhr.responseText) as { detail?: string }).detail || "";
    } catch {
      // not ours, such as a proxy's
    }
    said(`Not saved. ${detail}`);
    if (xhr.status >= 500 || xhr.status == 429) again();
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const line of all(".field .wrong")) {
      const field = by(line.id.replace(/-wrong$/, ""));
      if (line.textContent) field?.setAttribute("aria-invalid", "true");
      else field?.removeAttribute("aria-invalid");
    }
    fit();
    draw();
    tryAddress();
  });
  // who looks elsewhere, perhaps for good, leaves nothing unsaved
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && dirty) form.dispatchEvent(new Event("again"));
  });
  // what is refused where it was typed would be lost
  addEventListener("beforeunload", (event) => {
    if (by("state")!.classList.contains("wrong")) event.preventDefault();
  });
  // what was typed in the last moment goes out although the page does
  addEventListener("pagehide", () => {
    if (dirty || busy) navigator.sendBeacon(form.action, new URLSearchParams(new FormData(form) as never));
  });
}

// ---- colours

for (const one of all<HTMLButtonElement | HTMLInputElement>("[data-for]")) {
  const field = by<HTMLInputElement>(one.dataset.for!)!;
  const take = (color: string) => {
    field.value = color;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  one.hidden = false;
  if (one instanceof HTMLInputElement) {
    one.addEventListener("input", () => take(one.value));
    field.addEventListener("input", () => {
      if (/^#[0-9a-f]{6}$/i.test(field.value)) one.value = field.value;
    });
  } else {
    one.style.background = one.dataset.color!;
    one.addEventListener("click", () => take(one.dataset.color!));
  }
}

// ---- an address to try

const address = by<HTMLInputElement>("address");
const answer = (typed: string) => {
  if (!typed) return "";
  let url: URL;
  try {
    url = new URL(/^\w+:\/\//.test(typed) ? typed : "https://" + typed);
  } catch {
    return "This is not an address.";
  }
  const lines = JSON.parse(drawn().patterns) as Record<"shows" | "never", [string, Pattern][]>;
  const hit = (name: "shows" | "never") => lines[name].find(([, pattern]) => matches(pattern, url))?.[0];
  if (document.querySelector("#where-include[aria-invalid], #where-exclude[aria-invalid]"))
    return "First put right what is wrong in the pages above.";
  const out = hit("never");
  if (out) return `Not shown there: “${out}” excludes it.`;
  if (!lines.shows.length) return "Shown there: every page is included.";
  const inside = hit("shows");
  return inside ? `Shown there: “${inside}” matches.` : "Not shown there: no line matches.";
};
const tryAddress = () => {
  if (address) by("tried")!.textContent = answer(address.value.trim());
};
if (address) {
  by("trying")!.hidden = false;
  by("trying")!.addEventListener("submit", (event) => event.preventDefault());
  address.addEventListener("input", tryAddress);
}
