/** One tab at a time: ten that want to show a survey at once show one. */
import { pause } from "./dom";
import { guard } from "./guard";
import { inDocument } from "./page";
import type { Host } from "./types";

/** Milliseconds in which what one tab writes has come to all others, and is on the page; and that a claim is good for. */
const SETTLE = 250;
const GOOD = 1000;

/**
 * 2 if this tab may show something of this site now, else 0: the last of those that say so at the same time may. The loader
 * says so while this file is on its way; whoever says so later finds, when its turn has come, that the survey was shown.
 * What was said is taken back once that is noted, and not before: those that look in between would take it that no
 * cookie is kept here.
 */
export const takeTurn = async (host: Host): Promise<number> => {
  const past = () => Date.now() - host.turn!;
  /** What another tab said stands. */
  const other = () =>
    guard(() => inDocument("cookie").match(host.name + "c=([^;]*)")![1] != host.turn!.toString(36));
  if (past() > GOOD) {
    if (other()) return 0; // else tabs that try again would keep each other off
    host.claim(host);
  }
  await pause(SETTLE - past());
  return other() ? 0 : 2;
};
