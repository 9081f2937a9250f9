/** Page rules: does an address match, and may a survey show here and now. Pure; every "no" has its reason. */
import { guard } from "./guard";
import type { Config, Memory, Pattern, Survey } from "./types";

const DAY = 86400;
/** Narrower than this, in CSS pixels, is a small screen. */
export const SMALL = 768;
/** Narrower still is no window that anyone looks at, such as a frame that only counts visits. */
export const TINY = 200;

/** Why a survey shows or not; docs/site-owner.md says what each means. */
export enum Reason {
  Show,
  Manual,
  Page,
  Excluded,
  Screen,
  Sample,
  Answered,
  Seen,
  Quiet,
  Session,
}

/** Whether `text` is `pattern`, where `*` is any run of characters; without one anything is. Takes time in proportion to the two. */
export const glob = (pattern = "*", text: string): boolean => {
  const pieces = pattern.split("*");
  const last = pieces.length - 1;
  let at = 0;
  return (
    pieces.every((piece, index) => {
      const found = index && index == last ? text.length - piece.length : text.indexOf(piece, at);
      const fits = found >= at && (index || !found) && text.startsWith(piece, found);
      at = found + piece.length;
      return fits;
    }) &&
    (last > 0 || at == text.length)
  );
};

/** A star in an address is not one in a pattern. */
const literal = (text: string) => text.replace(/\*/g, "%2A");

/** Percent-decode what need not be encoded: all but `# % * / ?` and what is no UTF-8. */
const decode = (text: string) =>
  literal(
    text
      .replace(/(%(?!2[35af]|3f)[\da-f]{2})+/gi, (run) => guard(() => decodeURIComponent(run)) ?? run)
      .replace(/%[\da-f]{2}/gi, (kept) => kept.toUpperCase()),
  );

/** Whether a pattern matches an address. */
export const matches = (pattern: Pattern, url: URL): boolean => {
  const { scheme, host, port, path, query, hash } = pattern;
  const name = url.hostname.replace(/\.$/, "");
  return (
    glob(scheme, url.protocol.slice(0, -1)) &&
    (glob(host, name) || glob(host, name.replace(/^www\./, ""))) &&
    glob(port, url["port"] || (url.protocol == "http:" ? "80" : "443")) &&
    glob(path, decode(url.pathname).replace(/\/*$/, "/")) &&
    glob(hash, decode(url["hash"].slice(1))) &&
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
 * @param site how often it shows any survey
 */
export const decide = (
  survey: Survey,
  url: URL,
  width: number,
  memory: Memory,
  now: number,
  { quiet_days, once_per_session }: Pick<Config, "quiet_days" | "once_per_session"> = {},
): Reason => {
  const any = (patterns?: Pattern[]) => patterns?.some((pattern) => matches(pattern, url));
  const { shown, answered, draw, other = 0, session } = memory;
  /** A moment in the future comes from a clock that was wrong, and holds nobody off. */
  const within = (moment: number, days = Infinity) => now < moment + days * DAY && now >= moment - DAY;
  if (survey.manual) return Reason.Manual;
  if (survey.include && !any(survey.include)) return Reason.Page;
  if (any(survey.exclude)) return Reason.Excluded;
  if (width < (survey.large ? SMALL : TINY)) return Reason.Screen;
  if (survey.sample && (draw || 0) >= survey.sample) return Reason.Sample;
  if (answered && within(answered, survey.renew)) return Reason.Answered;
  if (shown && shown > (answered || 0) && within(shown, survey.again)) return Reason.Seen;
  if (quiet_days && within(other, quiet_days)) return Reason.Quiet;
  if (once_per_session && other >= session!) return Reason.Session;
  return Reason.Show;
};
