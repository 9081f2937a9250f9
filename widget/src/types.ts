import type { Place } from "./storage";

/** What travels on the wire. The server's side of each stands beside its name. */

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
  body?: string;
  /** Without the picture. */
  plain?: boolean;
  link?: string;
  link_text?: string;
}

/** Everything that is said in one language. */
export interface Texts {
  question: string;
  /** What the lowest and the highest score mean. */
  ends?: [string, string];
  /** A name for each score, on scales of faces. */
  labels?: string[];
  follow: [string, string, string];
  /** One for each group, or one for all. */
  thanks: Thanks[];
  close: string;
  send: string;
  email?: string;
  invalid?: string;
  consent?: string;
  callout?: string;
  reopen?: string;
  rtl?: boolean;
}

export type Position = "slide-in-left" | "slide-in-right" | "callout-left" | "callout-right" | "banner";

/** A published survey (`collector/surveys/published.py`); what is at its default is left out. */
export interface Survey {
  key: string;
  revision: number;
  /** The lowest score: 1, or 0 for NPS. */
  first?: number;
  points: number;
  faces?: boolean;
  /** The lowest and the highest neutral score. */
  neutral: [number, number];
  position: Position;
  color: string;
  ink: string;
  scheme?: "light" | "dark";
  include?: Pattern[];
  exclude?: Pattern[];
  /** Not on small screens. */
  large?: boolean;
  /** Seconds. */
  delay?: number;
  /** Percent. */
  scroll?: number;
  exit?: boolean;
  event?: string;
  element?: string;
  all?: boolean;
  /** Days until someone who gave no answer is asked again; 0 always, none never. */
  again?: number;
  /** Days until someone who answered is asked again; none never. */
  renew?: number;
  /** Percent. */
  sample?: number;
  /** Shows only when asked to. */
  manual?: boolean;
  email?: boolean;
  language: string;
  texts: Record<string, Texts>;
}

/** What the server writes into the script (`collector/web/script.py`). */
export interface Config {
  site: string;
  /** Relative to the script. */
  ui: string;
  /** Relative to the script. */
  events: string;
  /** The one to show first stands first. */
  surveys: Survey[];
}

/** What a browser remembers of one survey; moments in seconds since 1970. */
export interface Memory {
  shown?: number | undefined;
  answered?: number | undefined;
  /** What this visitor drew for a sample, 0 to 99; stays the same so that a sample sticks. */
  draw?: number | undefined;
}

/** One event (`collector/responses/events.py`). */
export interface Event {
  type: "impression" | "dismissal" | "response";
  id: string;
  survey: string;
  revision: number;
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
  /** Whether anything may be kept and sent at all. */
  allowed: boolean;
  identity?: Identity | undefined;
  /** From `storage.ts`, so that it travels once. */
  visitor: (place: Place) => string;
  remember: (place: Place, survey: string, memory: Memory, token?: string) => void;
}

/** How one survey is to be shown. */
export interface Showing {
  /** What the tag prefers, over the page's and the browser's own. */
  language: string | undefined;
  /** An element to draw in, instead of floating over the page. */
  mount?: Element | undefined;
  /** It is gone from the page. */
  closed: () => void;
}

/** A survey on the page. */
export interface Shown {
  root: Element;
  /** Someone has given a score. */
  answered: () => boolean;
  /** As if the visitor pressed the close button. */
  dismiss: () => void;
  /** Take it off the page and record nothing. */
  destroy: () => void;
}

/** What the file that draws offers to the loader. */
export interface Ui {
  show: (survey: Survey, showing: Showing) => Shown;
  /** Send what still waits to be acknowledged. */
  flush: () => void;
  /** The visitor was forgotten: what waits is not to bring them back. */
  age: () => void;
}
