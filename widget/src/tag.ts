/** Where this script is from and what its tag says, however it came to run. */
import { inDocument } from "./page";
import type { Files } from "./types";

/** What the tag says, or whoever bundled this. */
export interface Tag {
  /** Addresses that may be the collector's folder of scripts, the likeliest first. */
  bases: (string | undefined)[];
  /** What the tag says under a name: an attribute, or a parameter of the script's address. */
  said: (name: string) => string | null | undefined;
  /** Further files, if not by their address. */
  files?: Files;
}

/**
 * The tag of the script that runs now, and no image that is called so. A module is not told which it is: then it is found
 * by a `part` of its address.
 */
export const readTag = (part: string) =>
  (inDocument("currentScript") as HTMLScriptElement | null) ||
  [...inDocument("scripts")].find((one) => one.src.includes(part));

/** The folder that a tag's script is in, and what the tag says, by whichever way it was left. */
export const inTag = (tag: HTMLScriptElement | undefined): [folder: string, said: Tag["said"]] => {
  const [path, query] = (tag?.src || "").split("?") as [string, string | undefined];
  return [path.replace(/[^/]*$/, ""), (name) => tag?.dataset[name] || new URLSearchParams(query).get(name)];
};
