/** What is said of one survey on one page: to the collector, to this browser's memory and to the page. */
import { isPrivate, type Outbox } from "./api";
import { groupOf } from "./flow";
import { guard } from "./guard";
import { newId, newSecret } from "./random";
import { json } from "./storage";
import type { Events, ShownDetail } from "./tevreden";
import type { Event, Host, Memory, Survey } from "./types";

const LONGEST_PAGE = 2_000;
/** Characters of who the page says it is; the collector takes no more. */
const LONGEST_CLAIM = 500;
const GROUPS = ["negative", "neutral", "positive"] as const;

const seconds = () => Math.floor(Date.now() / 1000);

export interface Record {
  /** Whether anything was answered. */
  answered: () => boolean;
  /** It is on the page where the visitor can see it; said once. */
  see: () => void;
  answer: (score: number, extra?: Partial<Event>) => void;
  /** It was closed without an answer; said once. */
  dismiss: () => void;
}

/** @param root the element that the page's events bubble from */
export const openRecord = (
  host: Host,
  outbox: Outbox,
  survey: Survey,
  language: string,
  root: HTMLElement,
): Record => {
  const { key_: key, revision_: revision } = survey;
  const impression = newId();
  const id = newId();
  const secret = newSecret();
  let state = 0;
  let seen = false;
  let complete = false;
  let dismissed = false;

  const send = (event: Partial<Event>) =>
    outbox.send({
      survey: key,
      revision,
      secret,
      page: location.href.slice(0, LONGEST_PAGE),
      language,
      identity: isPrivate() || json(host.identity || 0).length > LONGEST_CLAIM ? undefined : host.identity,
      ...(navigator.webdriver && { automated: true }),
      ...(navigator.maxTouchPoints > 1 && { touch: true }),
      ...event,
    } as Event);
  const tell = <Name extends keyof Events>(
    name: Name,
    detail = {} as Omit<Events[Name], keyof ShownDetail>,
  ) =>
    guard(() =>
      root.dispatchEvent(
        new CustomEvent("tevreden:" + name, {
          bubbles: true,
          detail: { survey: key, revision, ...detail },
        }),
      ),
    );
  const note = (memory: Memory) => host.allowed && host.remember(host, key, memory);

  const see = () => {
    if (seen) return;
    seen = true;
    if (host.allowed && host.attend) host.attend(host, true); // first: a session is no younger than what it shows
    note({ shown: seconds() });
    send({ type: "impression", id: impression });
    tell("shown");
  };
  const answer = (score: number, extra: Partial<Event> = {}) => {
    see(); // pressed sooner than the browser says what can be seen
    complete ||= !!extra.complete;
    send({ type: "response", id, impression, state: ++state, score, ...extra });
    note({ answered: seconds() });
    const { comment } = extra;
    tell("answered", { score, group: GROUPS[groupOf(survey, score)], complete, ...(comment && { comment }) });
  };
  return {
    answered: () => !!state,
    see,
    answer,
    dismiss() {
      if (state || dismissed) return;
      dismissed = true;
      see();
      send({ type: "dismissal", id: impression });
      tell("dismissed");
    },
  };
};
