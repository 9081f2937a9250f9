/** The editor's frame: draws the real widget in the state that the editor asks for, and sends nothing. */
import { pause } from "./dom";
import { groupOf } from "./flow";
import type { Config, Host, Shown, Survey } from "./types";
import { create } from "./ui";

/** What the editor's page sends to the frame. */
export interface Wish {
  config: string;
  language: string;
  /** `closed`, `question`, a group, `email`, or `thanks-` and a group. */
  state: string;
  scheme: "light" | "dark";
}

const GROUPS = ["negative", "neutral", "positive"];
const STILL = "*, :host { animation: none !important; transition: none !important }";
const UNSEEN = ":host { visibility: hidden !important }";

/** Keeps nothing and sends nothing, because nothing is allowed. */
const host: Host = {
  name: "tv_preview",
  held: {},
  era: 0,
  url: new URL("/w/-/answers", location.href).href,
  allowed: false,
  token: () => "",
  remember: () => {},
  waiting: () => [],
  claim: () => {},
};

const sheet = (css: string) => {
  const made = new CSSStyleSheet();
  made.replaceSync(css);
  return made;
};

/** The lowest score of a group. */
const scoreIn = (survey: Survey, group: number) => {
  const { first = 1, points } = survey;
  return [...Array(points).keys()]
    .map((index) => first + index)
    .find((one) => groupOf(survey, one) == group)!;
};

let shown: Shown | undefined;
let wish: Wish | undefined;

/** Press what a visitor would press to get there. */
const drive = (root: ShadowRoot, survey: Survey, state: string) => {
  if (state == "closed") return;
  root.querySelector<HTMLElement>(".tab")?.click();
  const group = GROUPS.indexOf(state == "email" ? "positive" : state.replace("thanks-", ""));
  if (group < 0) return;
  root.querySelector<HTMLElement>(`input[value="${scoreIn(survey, group)}"]`)!.click();
  const send = () => root.querySelector("form")?.requestSubmit();
  if (state != GROUPS[group] && !root.querySelector("#email")) send();
  if (state.startsWith("thanks")) send();
  for (const growth of root.querySelector(".card")!.getAnimations()) growth.finish();
};

const draw = async () => {
  const { config, language, state, scheme } = wish!;
  const drawn = wish;
  const [survey] = (JSON.parse(config) as Config).surveys;
  if (!survey) return;
  document.documentElement.setAttribute("data-scheme", survey.scheme || scheme);
  const ui = await create(host);
  if (wish != drawn) return;
  const next = ui.show(
    { ...survey, scheme: survey.scheme || scheme },
    {
      preferred: language,
      closed() {
        if (shown == next) draw(); // pressed away, or the thank-you is over
      },
    },
  );
  const shadow = next.root.shadowRoot!;
  const unseen = sheet(UNSEEN);
  shadow.adoptedStyleSheets = [...shadow.adoptedStyleSheets, sheet(STILL), unseen];
  next.root.addEventListener(
    "tevreden:shown",
    () => {
      const focus = HTMLElement.prototype.focus;
      HTMLElement.prototype.focus = () => {}; // whoever types in the editor goes on typing there
      drive(shadow, survey, state);
      HTMLElement.prototype.focus = focus;
      const before = shown;
      shown = next;
      shadow.adoptedStyleSheets = shadow.adoptedStyleSheets.filter((one) => one != unseen);
      before?.destroy();
      for (const old of document.querySelectorAll("tevreden-survey")) if (old != next.root) old.remove();
      document.documentElement.dataset.drawn = state;
    },
    { once: true },
  );
};

addEventListener("message", (event) => {
  if (event.origin != location.origin) return;
  wish = event.data as Wish;
  draw();
});
pause().then(() => parent.postMessage("ready", location.origin));
