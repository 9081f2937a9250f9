import type { Reason } from "./rules";
import type { Place } from "./storage";
import type { Explanation } from "./tevreden";
import type { Condition } from "./triggers";

export type { Explanation, Rule } from "./tevreden";

/**
 * What travels on the wire. The server's side of each stands beside its name.
 *
 * The build gives each name of the configuration the two letters that it has in `widget/formats.json`. A word that
 * browsers or the page's own calls use as well ends with a line here, so that it is not taken for theirs: `key_`.
 */

/** A URL pattern as the server compiled it (`collector/surveys/patterns.py`); a part left out matches anything. */
export interface Pattern {
  scheme?: string;
  host?: string;
  port?: string;
  path?: string;
  query?: [string, string][];
  hash?: string;
}

/** By group: 0 negative, 1 neutral, 2 positive. */
export type Group = 0 | 1 | 2;

export interface Thanks {
  heading?: string;
  body_?: string;
  /** The address of a picture; empty for none at all, left out for the tick. */
  image?: string;
  link?: string;
  link_text?: string;
}

/** Everything that is said in one language. */
export interface Texts {
  question_: string;
  /** What the lowest and the highest score mean. */
  ends?: [string, string];
  /** A name for each score: it is a scale of faces. */
  labels?: string[];
  follow: [string, string, string];
  /** One for each group, or one for all. */
  thanks: Thanks[];
  close_: string;
  send_: string;
  email_?: string;
  invalid?: string;
  consent_?: string;
  callout?: string;
  reopen?: string;
  rtl?: boolean;
}

export type Position = "slide-in-left" | "slide-in-right" | "callout-left" | "callout-right" | "banner";

/** A published survey (`collector/surveys/published.py`); what is at its default is left out. */
export interface Survey {
  key_: string;
  revision_: number;
  /** The lowest score: 1, or 0 for NPS. */
  first?: number;
  points: number;
  /** The lowest and the highest neutral score; none for the middle one. */
  neutral?: [number, number];
  /** None for `slide-in-right`. */
  position?: Position;
  /** Pixels further from the bottom of the window than usual; a banner: from its top. */
  offset?: number;
  color_: string;
  /** On the colour; none for white. */
  ink?: string;
  /** None for that of the page. */
  scheme?: "light" | "dark";
  /** Faces in the survey's colour alone. */
  plain?: boolean;
  /** A picture of the site's, above the question. */
  logo?: string;
  include?: Pattern[];
  exclude?: Pattern[];
  /** Not on small screens. */
  large?: boolean;
  /** Seconds. */
  delay?: number;
  /** Percent. */
  scroll?: number;
  exit?: boolean;
  event_?: string;
  element?: string;
  all_?: boolean;
  /** Days until someone who gave no answer is asked again; 0 always, none never. */
  again?: number;
  /** Days until someone who answered is asked again; none never. */
  renew?: number;
  /** Percent. */
  sample?: number;
  /** Shows only when asked to. */
  manual?: boolean;
  /** Whoever is not known is asked for an e-mail address. */
  email_?: boolean;
  /** The survey's own language first. */
  texts: Record<string, Texts>;
}

/** What the server writes into the script (`collector/web/visitors/script.py`). */
export interface Config {
  site_: string;
  /** The collector's folder of scripts; never in what a pinned loader asks for, which takes no address from it. */
  base?: string;
  /** Nothing shows before the page says that consent was given, whatever the tag says. */
  consent_required?: boolean;
  /** Days during which a browser that was shown a survey is shown no other. */
  quiet_days?: number;
  /** A session in which a survey was shown shows no other. */
  once_per_session?: boolean;
  /** The one to show first stands first. */
  surveys: Survey[];
}

/** Further files, by name: `ui` draws, `explain` explains. */
export type Files = (name: string) => Promise<unknown>;

/** What a browser remembers of one survey; moments in seconds since 1970. */
export interface Memory {
  shown?: number | undefined;
  answered?: number | undefined;
  /** What this visitor drew for a sample, 0 to 99; stays the same so that a sample sticks. */
  draw?: number | undefined;
  /** When another survey of the site was last shown. */
  other?: number | undefined;
  /** Since when this session shows surveys; none if it has not shown any. */
  session?: number | undefined;
}

/** One event (`collector/responses/events.py`). */
export interface Event {
  type: "impression" | "dismissal" | "response";
  id: string;
  survey: string;
  revision: number;
  /** Of this showing; older events that still wait have none. */
  secret?: string;
  page: string;
  language: string;
  automated?: boolean;
  touch?: boolean;
  impression?: string;
  state?: number;
  score?: number;
  comment?: string;
  email?: string;
  complete?: boolean;
  /** Whom the page said the visitor was, at the time. */
  identity?: Identity | undefined;
  /** From before the visitor was forgotten; stays in the browser. */
  old?: boolean;
}

export interface Identity {
  email: string;
  signature?: string;
}

/** What the loader and the file that draws share, one a page; it is also where this site's things are kept. */
export interface Host extends Place {
  /** Where events go. */
  url: string;
  /** What is sent does not get out, though the browser is on line and the script came in. */
  blocked?: boolean;
  /** Whether anything may be kept and sent at all. */
  allowed: boolean;
  identity?: Identity | undefined;
  /** From `storage.ts`, so that it travels once. */
  token: (place: Place) => string;
  remember: (place: Place, survey: string, memory: Memory, token?: string) => void;
  /** When this tab last said that it is about to show something, in milliseconds since 1970; a fraction tells tabs apart. */
  turn?: number;
  claim: (place: Host, age?: number) => void;
  /** A page is viewed, or a survey is shown; none where sessions do not count. */
  attend?: ((place: Place, shown?: boolean) => void) | false | undefined;
  waiting: (place: Place) => string[];
}

/** What is known of this page view. */
export interface View extends Omit<Config, "base"> {
  host: Host;
  /** Events that happened on it. */
  named: Set<string>;
  /** Who wants to hear of another. */
  hears: Set<() => void>;
  /** The surveys that wait, and which of their conditions hold. */
  watched: Map<Survey, Set<Condition>>;
  /** One survey a page view: the one that had it. */
  taken?: Survey | undefined;
  /** On the page, or about to be. */
  onPage?: Shown | undefined;
  /** Aborted when nobody waits any longer; none before anyone does. */
  life?: AbortController | undefined;
  /** The page is there and looked at. */
  ready?: boolean;
  /** What is on its way to being shown; the page asked for a manual one. */
  pending?: { manual: boolean } | undefined;
  files: Files;
  ui?: Promise<Ui> | undefined;
  /** The language that the tag prefers. */
  preferred: string | null | undefined;
}

/** How one survey is to be shown. */
export interface Showing {
  /** The language that the tag prefers, over the page's and the browser's own. */
  preferred: string | null | undefined;
  /** An element to draw in, instead of floating over the page. */
  mount?: Element | undefined;
  /** Whether it may still show; none if the page asked for it, whatever its rules say. */
  still?: (() => boolean) | undefined;
  /** It is gone from the page. */
  closed: () => void;
}

/** A survey on the page, or waiting to be: then its element is not in the document and has no state. */
export interface Shown {
  survey: Survey;
  root: HTMLElement;
  /** Another page view, and whether its rules let it show there: it goes unless it may stay. */
  arrive: (reason: Reason) => void;
  /** As if the visitor pressed the close button. */
  dismiss: () => void;
  /** Take it off the page and record nothing. */
  destroy: () => void;
}

/** What the file that draws offers to the loader. */
export interface Ui {
  show: (survey: Survey, showing: Showing) => Shown;
  /** A published survey that is not in the script, by its key; asked for once a page. */
  seek: (view: View, key: string, found: (survey: Survey) => void) => void;
  /** Send what still waits to be acknowledged. */
  flush: () => void;
  /** The visitor was forgotten: what waits is not to bring them back. */
  age: () => void;
}

/** What the file that explains offers: an explanation of every survey, drawn on the page as well if so wished. */
export type Explain = (view: View, draw?: boolean) => Explanation[];
