/** The loader for those who bundle it: it asks for the site's surveys, and takes the further files from this package. */
import { guard } from "./guard";
import { start } from "./loader";
import { own } from "./page";
import type { Call, Explanation, Tevreden } from "./tevreden";
import type * as Package from "./tevreden";

/** Which format of the configuration this build reads. */
declare const __FORMAT__: number;

/** What waits for the loader, and whether the site's surveys have come; none if nobody has asked for them. */
type Queue = Iterable<unknown>[] & { asked?: Promise<boolean> | undefined };

const file = (name: string) => (name == "ui" ? import("./ui.js") : import("./explain.js"));

/** What the page has before the loader: a queue, which is made if there is none. None on a server, or after the loader. */
const queue = (): Queue | undefined => {
  if (typeof window == "undefined") return;
  if (typeof own<{ push: unknown }>("tevreden")?.push != "function") window.tevreden = []; // nothing yet, or an element with this id
  return Array.isArray(window.tevreden) ? window.tevreden : undefined;
};

const begin = async ({ collector, site, ...options }: Package.Options) => {
  const base = new URL(`${collector.replace(/\/$/, "")}/w/`, location.href).href;
  const response = await fetch(`${base}${site}.json?format=${__FORMAT__}`, { credentials: "omit" });
  if (!response.ok) throw response;
  const config = await response.json();
  const said = (name: string) => options[name as keyof typeof options];
  guard(() => start({ bases: [base], said, files: file }, config));
  return true;
};

const call = (...args: Call) => {
  if (typeof window == "undefined") return;
  guard(() => {
    queue();
    window.tevreden!.push(args);
  });
};

const explainNow = async (draw?: boolean): Promise<Explanation[]> => {
  try {
    return (await window.tevreden!.explain!(draw)) || [];
  } catch {
    return []; // on a server, or the file is out of reach
  }
};

/** The loader drops what a call in the queue returns, so this waits there as something that runs once it is taken out. */
const explain = (draw?: boolean) =>
  new Promise<Explanation[]>((resolve) => {
    const now = () => {
      resolve(explainNow(draw));
      return [].values();
    };
    const waiting = queue();
    if (!waiting) return void now();
    waiting.push({ [Symbol.iterator]: now });
    (waiting.asked || Promise.resolve(false)).then((came) => came || resolve([]));
  });

const api: Tevreden = {
  identify: (...args) => call("identify", ...args),
  event: (name) => call("event", name),
  show: (...args) => call("show", ...args),
  dismiss: () => call("dismiss"),
  consent: (given) => call("consent", given),
  reset: () => call("reset"),
  on(name, handler) {
    if (typeof document == "undefined") return () => {};
    const hear = (event: Event) => handler((event as CustomEvent).detail);
    addEventListener("tevreden:" + name, hear, true);
    return () => removeEventListener("tevreden:" + name, hear, true);
  },
  explain,
};

export const load: typeof Package.load = (options) => {
  guard(() => {
    const waiting = queue();
    if (waiting)
      waiting.asked ||= begin(options).catch(() => {
        waiting.asked = undefined; // the collector is away: the page goes on without it, and may load again
        return false;
      });
  });
  return api;
};
