/** Explains for every survey of the site, on the live page, why it shows or not; a file that no visitor loads. */
import { BUSY, busy } from "./attention";
import { all, h, page } from "./dom";
import css from "./explain.css";
import { decide, matches, Reason, SMALL, TINY } from "./rules";
import { show } from "./showing";
import { recall } from "./storage";
import { Condition } from "./triggers";
import type { Config, Explanation, Memory, Pattern, Rule, Survey, View } from "./types";

/** Which format of the configuration this build reads. */
declare const __FORMAT__: number;

const written = ({ scheme, host, port, path, query, hash }: Pattern) =>
  (scheme ? scheme + "://" : "") +
  (host ?? (path ? "" : "*")) +
  (port ? ":" + port : "") +
  (path ?? "").replace(/(.)\/$/, "$1") +
  (query ? "?" + query.map((pair) => pair.join("=")).join("&") : "") +
  (hash == undefined ? "" : "#" + hash);

const any = (patterns: Pattern[]) => patterns.map(written).join(" or ");
const moment = (seconds?: number) => (seconds ? new Date(seconds * 1000).toISOString() : "not yet");
const after = (days: number | undefined) => (days == undefined ? "not yet" : `${days} days ago or more`);

/** Whether one rule alone lets a survey show. */
const alone = (
  survey: Partial<Survey>,
  memory: Memory = {},
  width = innerWidth,
  site: Partial<Config> = {},
) =>
  decide(survey as Survey, new URL(location.href), width, memory, Math.floor(Date.now() / 1000), site) ==
  Reason.Show;

/** The rules on the page, the screen and what this browser remembers. */
const standing = (survey: Survey, { host, quiet_days, once_per_session }: View): Rule[] => {
  const { include, exclude, large, sample, renew, again } = survey;
  const memory = recall(host, survey.key_);
  const { shown, answered, draw, other, session } = memory;
  const rules: Rule[] = [
    {
      rule: "consent",
      wanted: "given, or not required",
      here: host.allowed ? "fine" : "not given",
      holds: host.allowed,
    },
    {
      rule: "screen",
      wanted: `${large ? SMALL : TINY} px or wider`,
      here: `${innerWidth} px`,
      holds: alone(large ? { large } : {}),
    },
  ];
  if (survey.manual)
    rules.push({
      rule: "manual",
      wanted: "the page calls show()",
      here: "it shows on request",
      holds: false,
    });
  if (include)
    rules.push({
      rule: "page",
      wanted: any(include),
      here: location.href,
      holds: alone({ include }, {}, TINY),
    });
  if (exclude) {
    const found = exclude.filter((pattern) => matches(pattern, new URL(location.href)));
    rules.push({
      rule: "excluded",
      wanted: `not ${any(exclude)}`,
      here: found.length ? `excluded by ${any(found)}` : location.href,
      holds: !found.length,
    });
  }
  if (sample)
    rules.push({
      rule: "sample",
      wanted: `one of ${sample} in 100`,
      here: draw == undefined ? "not drawn yet" : `number ${draw + 1} of 100`,
      holds: alone({ sample }, { draw }, TINY),
    });
  rules.push({
    rule: "answered",
    wanted: after(renew),
    here: moment(answered),
    holds: alone(renew == undefined ? {} : { renew }, { answered }, TINY),
  });
  if (again !== 0)
    rules.push({
      rule: "seen",
      wanted: after(again),
      here: moment(shown),
      holds: alone({ renew: 0, ...(again != undefined && { again }) }, { shown, answered }, TINY),
    });
  if (quiet_days)
    rules.push({
      rule: "quiet",
      wanted: `any other survey ${after(quiet_days)}`,
      here: moment(other),
      holds: alone({}, { other }, TINY, { quiet_days }),
    });
  if (once_per_session) {
    const holds = alone({}, { other, session }, TINY, { once_per_session });
    rules.push({
      rule: "session",
      wanted: "no other survey in this session",
      here: holds ? "none" : moment(other),
      holds,
    });
  }
  return rules;
};

/** The moments that a survey waits for. */
const moments = (survey: Survey, { named, watched }: View): Rule[] => {
  const { delay, scroll, exit, event_: event, element } = survey;
  const met = watched.get(survey);
  const rules: Rule[] = [];
  const add = (rule: string, condition: Condition, wanted: string, here: string) =>
    rules.push({ rule, wanted, here, holds: !!met?.has(condition) });
  if (delay != undefined) add("delay", Condition.Delay, `${delay} s`, "counted from when the page was ready");
  if (scroll) {
    const room = page("documentElement").scrollHeight - innerHeight;
    add(
      "scroll",
      Condition.Scroll,
      `${scroll} %`,
      room > 0 ? `${Math.round((scrollY * 100) / room)} %` : "nothing to scroll",
    );
  }
  if (exit) add("exit", Condition.Exit, "the mouse leaves by the top", "not now");
  if (event) add("event", Condition.Event, event, [...named].join(", ") || "none yet");
  if (element) add("element", Condition.Element, `${element} in view`, `${all(element).length} on the page`);
  return rules;
};

const explainOne = (survey: Survey, view: View): Explanation => {
  const { onPage, taken, host } = view;
  const mine = onPage?.survey == survey && onPage;
  const visible = !!mine && mine.root.isConnected;
  const rules = standing(survey, view);
  const moment = moments(survey, view);
  const due =
    !moment.length || (survey.all_ ? moment.every(({ holds }) => holds) : moment.some(({ holds }) => holds));
  const broken = rules.find(({ holds }) => !holds);
  const turn = !taken || taken == survey;
  const reason = visible
    ? "shown"
    : broken
      ? broken.rule
      : taken == survey
        ? BUSY[busy(true)] || "loading"
        : !turn
          ? "turn"
          : due
            ? (page("hidden") && "hidden") || "loading"
            : "waiting";
  return {
    survey: survey.key_,
    question: Object.values(survey.texts)[0]!.question_,
    shown: visible,
    reason: host.allowed ? reason : "consent",
    rules: [
      ...rules,
      ...moment,
      ...(host.blocked
        ? [{ rule: "delivery", wanted: "answers get out", here: `${host.url} is blocked`, holds: false }]
        : []),
      { rule: "turn", wanted: "one survey a page view", here: turn ? "free" : "another had it", holds: turn },
    ],
  };
};

/** What each reason means, for people. */
const MEANINGS: Record<string, string> = {
  shown: "is on this page",
  consent: "waits for consent: tevreden.consent(true)",
  manual: "shows only when the page calls tevreden.show()",
  page: "is not for this page",
  excluded: "is excluded from this page",
  screen: "is not for a screen this narrow",
  sample: "this visitor is not in the sample",
  answered: "this visitor has answered it",
  seen: "this visitor has seen it not long ago",
  quiet: "another survey was shown not long ago, and the site has a quiet period",
  session: "another survey was shown in this session",
  waiting: "waits for its moment",
  hidden: "waits until this tab is looked at",
  fullscreen: "waits until full screen is over",
  unseen: "waits until it can be seen: the page is hidden or inert",
  modal: "waits until the dialog on the page is closed",
  typing: "waits until the visitor has left the text field",
  turn: "another survey has had this page view",
  loading: "is on its way",
};

/** A box over the page, for the site's developers. */
const box = (heading: string, pressed: string, press?: () => void, ...content: Element[]) => {
  const root = h<HTMLElement>("tevreden-explain", { popover: "manual" });
  const shadow = root.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  shadow.adoptedStyleSheets = [sheet];
  shadow.append(
    h(
      "section",
      { role: "region", "aria-label": heading },
      h(
        "header",
        {},
        h("h2", {}, heading),
        press && h("button", { type: "button", onclick: press }, pressed),
        h("button", { type: "button", onclick: () => root.remove() }, "Close"),
      ),
      ...content,
    ),
  );
  for (const old of all("tevreden-explain")) old.remove();
  page("body").append(root);
  root.showPopover?.();
};

/** Where it stands in the list: what is shown, what could be on this page, what is for others. */
const place = ({ shown, reason }: Pick<Explanation, "shown" | "reason">) =>
  shown ? 0 : ["page", "excluded", "manual"].includes(reason) ? 2 : 1;

/** Every survey with its rules; those of this page first, and open where something keeps them off. */
const draw = (view: View) => {
  const list = h("div");
  const fill = () =>
    list.replaceChildren(
      ...explain(view)
        .sort((a, b) => place(a) - place(b))
        .map(({ survey, question, shown, reason, rules }) =>
          h(
            "details",
            { open: place({ shown, reason }) == 1 ? "" : undefined },
            h(
              "summary",
              {},
              h("b", {}, question),
              ` ${MEANINGS[reason]} `,
              h("code", {}, `${survey}: ${reason}`),
            ),
            h(
              "table",
              {},
              h(
                "thead",
                {},
                h("tr", {}, ...["", "rule", "wanted", "here"].map((name) => h("th", { scope: "col" }, name))),
              ),
              h(
                "tbody",
                {},
                ...rules.map(({ rule, wanted, here, holds }) =>
                  h(
                    "tr",
                    { class: holds ? "" : "no" },
                    h("td", {}, holds ? "yes" : "no"),
                    h("th", { scope: "row" }, rule),
                    h("td", {}, wanted),
                    h("td", {}, here),
                  ),
                ),
              ),
            ),
          ),
        ),
      ...(view.surveys.length ? [] : [h("p", {}, "This site has no published survey.")]),
    );
  fill();
  box("Surveys on this page", "Look again", fill, list);
};

/** The draft, by the link that the editor makes: shown whatever its rules say, and neither kept nor sent. */
const test = async (view: View, token: string) => {
  const { host } = view;
  host.allowed = false; // from here on nothing of this page is
  try {
    const reply = await fetch(new URL(`test/${token}.json?format=${__FORMAT__}`, host.url), {
      credentials: "omit",
    });
    if (!reply.ok) throw reply;
    const [survey] = ((await reply.json()) as Config).surveys;
    const showIt = () => show(view, survey!);
    showIt();
    box("Test of the draft: nothing is counted", "Again", showIt);
  } catch {
    box("This test link has expired, or the collector cannot be reached. Create another in the editor.", "");
  }
};

/** One explanation a survey, the one to show first standing first. */
export const explain = (view: View, panel?: boolean): Explanation[] => {
  const [, token] = location.href.match(/tevreden=test\.([\w.-]+)/) || [];
  if (panel && token) test(view, token);
  else if (panel) draw(view);
  return view.surveys.map((survey) => explainOne(survey, view));
};
