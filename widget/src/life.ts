/** The time of one survey on the page: it waits for the visitor, appears, steps aside, comes back, and goes. */
import { busy, modal } from "./attention";
import { hearChanges } from "./changes";
import { all, listen, page, pause } from "./dom";
import { guard } from "./guard";
import { hidden, kept, reachable } from "./sight";
import { takeTurn } from "./turns";
import type { Host, Showing } from "./types";

/** Milliseconds until what waits looks again, whatever it heard. */
const LOOK = 1000;
/** How often it comes back after the page has taken it off. */
const RETURNS = 9;

export interface Life {
  /** Aborted when it is over. */
  signal: AbortSignal;
  /** Take it off the page for good. */
  end: () => void;
  /** The page has become one that it is not for. */
  away: boolean;
}

/**
 * @param place fits it to the window and the page
 * @param state of the element once it is on the page
 * @param seen is called when the visitor can see it
 * @param returned is called when it is on the page again
 */
export const live = (
  host: Host,
  { mount, still, closed }: Showing,
  root: HTMLElement,
  place: () => void,
  state: string,
  seen: () => void,
  returned: () => void,
): Life => {
  const life = new AbortController();
  const { signal } = life;
  /** Something had the visitor when it was due. */
  let waited = false;
  /** No other tab is to show it, or that is being found out. */
  let turn = still ? 0 : 2;
  let look: ReturnType<typeof setTimeout>;
  let returns = 0;
  /** Waits for the visitor to see what is on the page. */
  let eye: IntersectionObserver | undefined;

  const end = () => {
    if (signal.aborted) return;
    life.abort();
    clearTimeout(look);
    root.remove();
    closed();
  };
  const put = () => {
    for (const copy of all("tevreden-survey")) copy.shadowRoot || copy.remove(); // of a body that the page has kept
    place(); // reads the page's layout, while that is still good
    (mount || page("body")).append(root);
    if (!mount) root.showPopover?.(); // before anything has a layout: WebKit would keep the one it had
  };
  /** What was to be found out about its sight is, and no other tab is kept waiting. */
  const settled = () => {
    eye?.disconnect();
    eye = undefined;
    host.claim(host, 0);
  };
  const see = () => {
    seen();
    settled();
  };
  /** Nobody could see it: not now, then. */
  const withdraw = () => {
    settled();
    if (!root.isConnected && returns++ > RETURNS) return end();
    root.remove();
    delete root.dataset.state;
    turn = still ? 0 : 2;
  };
  const appear = () => {
    put();
    root.dataset.state = state;
    listen(visualViewport!, "resize scroll", place, signal);
    if (!host.allowed) return see(); // nothing is counted
    eye = new IntersectionObserver(
      ([entry]) => {
        if (entry!.isIntersecting && !hidden(root) && reachable(root)) see();
        else if (!mount) withdraw();
      },
      { rootMargin: "-10px" }, // so far in that its corners can be looked at
    );
    eye.observe(root);
  };
  /** On the page: only where it can be reached, and again where the page has taken it off. */
  const stay = () => {
    if (!root.isConnected) {
      if (eye) withdraw();
      else if (!self.away && (!mount || mount.isConnected) && returns++ < RETURNS) {
        put();
        returned();
      } else end();
    } else if (eye) {
      eye.unobserve(root);
      eye.observe(root);
    } else {
      place(); // the page may have turned dark
      root.hidden = kept(root) || modal(root);
      if (!root.hidden && !mount) root.hidden = !reachable(root);
    }
  };
  const due = () => {
    if (turn > 1) return appear();
    if (turn) return;
    turn = 1;
    takeTurn(host).then((won) => {
      turn = won;
      if (won) attend(); // else it looks again by itself: whoever won may be in the background
    });
  };
  /** Show it once the visitor is free, in one tab alone. */
  const attend = () =>
    guard(() => {
      if (signal.aborted) return;
      if (root.dataset.state) return stay();
      clearTimeout(look);
      look = setTimeout(attend, LOOK); // not everything that changes is heard
      const reason = mount ? 0 : busy(waited, pressed());
      if (still && !still()) end();
      else if (reason && (still || reason < 2 || reason > 4)) waited = true;
      else due();
    });
  const self: Life = { signal, end, away: false };
  const pressed = hearChanges(root, attend, signal);
  pause().then(attend); // when the loader knows of it
  return self;
};
