/** Which language to speak, from tags as servers and people write them. */
import { guard } from "./guard";
import { inDocument } from "./page";

/** The language that a tag such as `nl_NL`, `de_DE.UTF-8`, ` nl ` or `nld` names, whole and then its first part. */
export const named = (tag: string | null | undefined): string[] => {
  const whole = (tag || "").trim().toLowerCase().split(/[.@]/)[0]!.replace(/_/g, "-");
  const first = whole.split("-")[0]!;
  return [whole, guard(() => new Intl.Locale(first).language) ?? first]; // three letters, and names that were given up
};

/** The first language wished for that is spoken: the tag's, the page's, the browser's, else the first. */
export const languageFor = (spoken: string[], preferred: string | null | undefined): string => {
  const wishes = [preferred, inDocument("documentElement").lang, ...navigator.languages];
  return wishes.flatMap(named).find((name) => spoken.includes(name)) || spoken[0]!;
};
