/** One tab at a time: ten that want to show a survey at once show one. */
import { guard } from "./guard";
import type { Place } from "./storage";

/** Milliseconds in which what one tab writes has come to all others, and is on the page. */
const SETTLE = 150;

/**
 * Whether this tab may show something of this site now: the last of those that say so at the same time may. Whoever says
 * so later finds, when its turn has come, that the survey was shown. A cookie, because tabs of one process or of several,
 * with locks or without, see the same one at once.
 *
 * @param id of its own for every turn
 */
export const takeTurn = async ({ name }: Place, id: string): Promise<boolean> => {
  const mine = `${name}c=${id}`;
  const claim = (age: number) => guard(() => (document.cookie = mine + ";path=/;max-age=" + age));
  claim(1);
  await new Promise((done) => setTimeout(done, SETTLE));
  const last = guard(() => document.cookie.match(name + "c=[^;]*"));
  if (last && last[0] != mine) return false;
  claim(0);
  return true;
};
