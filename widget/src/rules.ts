/** Page rules: does an address match, and may a survey show here and now. Pure; every "no" has its reason. */
import type { Memory, Pattern, Survey } from "./types";

const DAY = 86400;
/** Narrower than this, in CSS pixels, is a small screen. */
export const SMALL = 768;

export type Reason =
  | "show"
  | "only on request"
  | "page not included"
  | "page excluded"
  | "small screen"
  | "not in the sample"
  | "answered already"
  | "seen already";

/** Whether `text` is `pattern`, where `*` is any run of characters; takes time in proportion to the two. */
export const glob = (pattern: string, text: string): boolean => {
  const [head = "", ...pieces] = pattern.split("*");
  const tail = pieces.pop();
  if (tail === undefined) return head == text;
  if (!text.startsWith(head)) return false;
  let at = head.length;
  for (const piece of pieces) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - tail.length >= at && text.endsWith(tail);
};

/** A star in an address is not one in a pattern. */
const literal = (text: string) => text.replace(/\*/g, "%2A");

/** Percent-decode what need not be encoded: all but `# % * / ?` and what is no UTF-8. */
const decode = (text: string) =>
  literal(
    text.replace(/(%(?!2[35af]|3f)[\da-f]{2})+|%[\da-f]{2}/gi, (run) => {
      try {
        return /^%(2[35af]|3f)/i.test(run) ? run.toUpperCase() : decodeURIComponent(run);
      } catch {
        return run.toUpperCase();
      }
    }),
  );

/** Whether a pattern matches an address. */
export const matches = (pattern: Pattern, url: URL): boolean => {
  const { scheme, host, port, path, query, hash } = pattern;
  const is = (wanted: string | undefined, text: string) => wanted === undefined || glob(wanted, text);
  const name = url.hostname.replace(/\.$/, "");
  return (
    is(scheme, url.protocol.slice(0, -1)) &&
    (is(host, name) || is(host, name.replace(/^www\./, ""))) &&
    is(port, url.port || (url.protocol == "http:" ? "80" : "443")) &&
    is(path, decode(url.pathname).replace(/\/*$/, "/")) &&
    is(hash, decode(url.hash.slice(1))) &&
    (query || []).every(([key, value]) =>
      [...url.searchParams].some((pair) => glob(key, literal(pair[0])) && glob(value, literal(pair[1]))),
    )
  );
};

/**
 * Whether a survey may show at an address to someone with this memory of it, and why not.
 *
 * @param width of the window in CSS pixels
 * @param now in seconds since 1970
 */
export const decide = (survey: Survey, url: URL, width: number, memory: Memory, now: number): Reason => {
  const any = (patterns: Pattern[]) => patterns.some((pattern) => matches(pattern, url));
  const { shown, answered, draw } = memory;
  /** A moment in the future comes from a clock that was wrong, and holds nobody off. */
  const within = (moment: number, days: number | undefined) =>
    days === undefined || (now < moment + days * DAY && now >= moment - DAY);
  if (survey.manual) return "only on request";
  if (survey.include && !any(survey.include)) return "page not included";
  if (survey.exclude && any(survey.exclude)) return "page excluded";
  if (survey.large && width < SMALL) return "small screen";
  if (survey.sample && (draw || 0) >= survey.sample) return "not in the sample";
  if (answered && within(answered, survey.renew)) return "answered already";
  if (shown && shown > (answered || 0) && within(shown, survey.again)) return "seen already";
  return "show";
};
