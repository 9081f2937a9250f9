/** Which language to speak, from tags as servers and people write them. */
import { inDocument } from "./page";

/** Three letters, and names that were given up, with what the surveys call the language. */
const NAMES = new Map(
  "ara:ar dan:da deu:de ger:de eng:en spa:es fra:fr fre:fr heb:he iw:he ita:it jpn:ja nld:nl dut:nl pol:pl por:pt swe:sv in:id ji:yi"
    .split(" ")
    .map((pair) => pair.split(":") as [string, string]),
);

/** The language that a tag such as `nl_NL`, `de_DE.UTF-8`, ` nl ` or `nld` names, whole and then its first part. */
export const named = (tag: string | null | undefined): string[] => {
  const whole = (tag || "").trim().toLowerCase().split(/[.@]/)[0]!.replace(/_/g, "-");
  const first = whole.split("-")[0]!;
  return [whole, NAMES.get(first) || first];
};

/** The first language wished for that is spoken: the tag's, the page's, the browser's, else the first. */
export const languageFor = (spoken: string[], preferred: string | null | undefined): string => {
  const wishes = [preferred, inDocument("documentElement").lang, ...navigator.languages];
  return wishes.flatMap(named).find((name) => spoken.includes(name)) || spoken[0]!;
};
