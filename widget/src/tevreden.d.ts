/** What the package gives to those who bundle the widget; the build ships this file as it is. */

export interface Options {
  /** The address of the collector, such as `https://surveys.example.com`. */
  collector: string;
  /** The site's key, as it stands in its tag. */
  site: string;
  /** Show, keep and send nothing until `consent(true)`. */
  consent?: "required" | undefined;
  /** The language to prefer, over the page's and the browser's own. */
  lang?: string | undefined;
}

/** Who the visitor is: an e-mail address, and whatever else is known. */
export interface Identity {
  email: string;
  [property: string]: unknown;
}

/** Where to show a survey, other than floating over the page. */
export interface Place {
  /** An element to show it in. */
  mount?: Element | undefined;
}

/** Which survey, as it was published. */
export interface ShownDetail {
  survey: string;
  revision: number;
}

export type DismissedDetail = ShownDetail;

/** An answer as it stands: the score counts at once, a comment may follow. */
export interface AnsweredDetail extends ShownDetail {
  score: number;
  group: "negative" | "neutral" | "positive";
  /** The visitor has pressed Send, or there was nothing more to ask. */
  complete: boolean;
  comment?: string;
}

/** What `on` hears, by name. */
export interface Events {
  shown: ShownDetail;
  answered: AnsweredDetail;
  dismissed: DismissedDetail;
}

/** One rule of a survey on this page, and whether it lets the survey show. */
export interface Rule {
  rule: string;
  wanted: string;
  here: string;
  holds: boolean;
}

/** What `explain()` tells of one survey. */
export interface Explanation {
  survey: string;
  question: string;
  /** It is on the page. */
  shown: boolean;
  reason: string;
  rules: Rule[];
}

/** Every call works at once: what is called before the surveys have come waits for them. */
export interface Tevreden {
  /** Say who the visitor is; believed only with the signature that your server made. */
  identify(identity: Identity, signature?: string): void;
  /** Something happened that a survey may wait for. */
  event(name: string): void;
  /** Show the published survey with this key now, whatever its targeting or delivery. */
  show(survey: string, place?: Place): void;
  /** Close what is shown, as if the visitor did. */
  dismiss(): void;
  /** With `consent: "required"`; taking consent back removes everything. */
  consent(given: boolean): void;
  /** Forget this visitor. */
  reset(): void;
  /** Hear of every survey on the page; what it returns stops that. */
  on<Name extends keyof Events>(name: Name, handler: (detail: Events[Name]) => void): () => void;
  /** For each survey why it shows or not, drawn on the page as well if so wished; none if the collector is away. */
  explain(draw?: boolean): Promise<Explanation[]>;
}

type Hear<Name extends keyof Events> = [call: "on", name: Name, handler: (detail: Events[Name]) => void];
type Plain = Exclude<keyof Tevreden, "on">;

/** A call as `window.tevreden.push` takes it. */
export type Call =
  | { [Name in Plain]: [name: Name, ...args: Parameters<Tevreden[Name]>] }[Plain]
  | { [Name in keyof Events]: Hear<Name> }[keyof Events];

/** Start the widget on this page. Called again, or on a server, it starts nothing. It never throws. */
export declare const load: (options: Options) => Tevreden;

declare global {
  interface Window {
    /** A queue until the surveys have come, then what they are asked by. */
    tevreden?: { [Name in Plain]?: Tevreden[Name] } & {
      push<Name extends keyof Events>(call: Hear<Name>): unknown;
      push(call: Call): unknown;
      on?<Name extends keyof Events>(name: Name, handler: (detail: Events[Name]) => void): void;
    };
  }
}
