import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import {
  attend,
  drop,
  erase,
  events,
  forget,
  json,
  keep,
  recall,
  remember,
  visitor,
  waiting,
} from "../src/storage";
import type { Event } from "../src/types";

/** Cookies as a browser keeps them on `hostname`, where a public suffix takes none. */
const cookies = new Map<string, string>();
const PUBLIC = ["example", "uk", "co.uk"];
const page = { hostname: "www.shop.example", protocol: "https:" };
const written: string[] = [];

const global = globalThis as Record<string, unknown>;
global.location = page;
class Document {
  get cookie() {
    return [...cookies].map(([key, value]) => `${key.split("@")[0]}=${value}`).join("; ");
  }
  set cookie(text: string) {
    written.push(text);
    const [pair = "", ...rest] = text.split(";");
    const [name, value = ""] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
    const domain = rest.find((part) => part.startsWith("domain="))?.slice(7) ?? page.hostname;
    if (PUBLIC.includes(domain) || !("." + page.hostname).endsWith("." + domain)) return;
    if (rest.includes("max-age=0")) cookies.delete(`${name}@${domain}`);
    else cookies.set(`${name}@${domain}`, value);
  }
}
global.document = new Document();
const local = (full = false) =>
  new Proxy({} as Record<string, unknown>, {
    get(target, key: string) {
      if (key == "setItem")
        return (name: string, value: string) => {
          if (full) throw new Error("full");
          target[name] = value;
        };
      if (key == "removeItem") return (name: string) => void delete target[name];
      return target[key];
    },
  });

const place = () => ({ name: "tv_site", held: {} as Record<string, string>, era: 0, waiting });
const event = (id: string, state = 1) =>
  ({ type: "response", id, state, survey: "k", revision: 1, page: "", language: "en" }) as Event;

/** What is remembered of one survey alone. */
const known = (here: ReturnType<typeof place>, survey: string) => {
  const { shown, answered, draw } = recall(here, survey);
  return { shown, answered, draw };
};

beforeEach(() => {
  cookies.clear();
  written.length = 0;
  global.localStorage = local();
});

test("the cookie goes to the widest domain that takes it", () => {
  page.hostname = "a.b.shop.co.uk";
  remember(place(), "zero", {}, "token");
  assert.deepEqual([...cookies.keys()], ["tv_site@shop.co.uk"]);
  assert.equal(visitor(place()), "token");
  page.hostname = "www.shop.example";
});

test("what is remembered comes back, and a visitor's token stays beside it", () => {
  const here = place();
  remember(here, "one", { shown: 1_900_000_000 });
  remember(here, "zero", {}, "abc.def-_");
  remember(here, "two", { shown: 5, answered: 6, draw: 0 });
  const nothing = { shown: undefined, answered: undefined, draw: undefined };
  assert.deepEqual(known(here, "one"), { ...nothing, shown: 1_900_000_000 });
  assert.deepEqual(known(here, "two"), { shown: 5, answered: 6, draw: 0 });
  assert.deepEqual(known(here, "three"), nothing);
  assert.equal(visitor(here), "abc.def-_");
});

test("what is spoilt in the cookie is left out", () => {
  for (const spoilt of ["t!one:___:_:_!" + "j".repeat(3900), "t!!!!", "t!one:nan"]) {
    cookies.set("tv_site@shop.example", spoilt);
    assert.deepEqual(known(place(), "one"), { shown: undefined, answered: undefined, draw: undefined });
    remember(place(), "two", { shown: 1 });
    assert.equal(cookies.get("tv_site@shop.example"), "t!two:1::");
  }
});

test("when another survey was last shown is remembered, whichever it was", () => {
  const here = place();
  remember(here, "one", { shown: 7 });
  remember(here, "two", { shown: 5, answered: 6 });
  remember(here, "three", { draw: 3 });
  assert.deepEqual(
    ["one", "two", "three"].map((name) => recall(here, name).other),
    [5, 7, 7],
  );
});

test("a session begins when a survey is shown, goes on with page views, and ends half an hour after the last", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: 1_900_000_000_500 });
  const here = place();
  const session = () => recall(here, "one").session;
  attend(here);
  assert.equal(written.length, 0, "nothing is kept of who was shown nothing");
  attend(here, true);
  assert.equal(session(), 1_900_000_000);
  for (let pages = 0; pages < 3; pages++) {
    context.mock.timers.tick(29 * 60_000);
    attend(here);
    assert.equal(session(), 1_900_000_000);
  }
  context.mock.timers.tick(31 * 60_000);
  assert.equal(session(), undefined);
  attend(here);
  assert.equal(session(), undefined);
  attend(here, true);
  assert.equal(session(), 1_900_000_000 + (3 * 29 + 31) * 60);
  context.mock.timers.setTime(1_800_000_000_000);
  assert.equal(session(), undefined, "a clock that was ahead");
});

test("forty surveys are remembered, the last ones, in less than 2 KB", () => {
  const here = place();
  remember(here, "zero", {}, "x".repeat(50));
  for (let number = 100; number < 200; number++)
    remember(here, `key${number}`, { shown: 1_900_000_000, answered: 1_900_000_000, draw: 99 });
  assert.equal(recall(here, "key199").draw, 99);
  assert.equal(recall(here, "key160").draw, 99);
  assert.equal(recall(here, "key159").draw, undefined);
  assert.ok([...cookies.values()][0]!.length < 2048);
});

test("where cookies fail local storage remembers, and where both fail the page does", () => {
  PUBLIC.push("shop.example", "www.shop.example");
  remember(place(), "one", { shown: 7 });
  assert.equal(recall(place(), "one").shown, 7);
  global.localStorage = local(true);
  const here = place();
  remember(here, "one", { shown: 8 });
  assert.equal(recall(here, "one").shown, 8);
  assert.equal(recall(place(), "one").shown, undefined);
  PUBLIC.splice(-2);
});

test("events wait until they are dropped, a later state in place of an earlier", () => {
  for (const full of [false, true]) {
    global.localStorage = local(full);
    const here = place();
    keep(here, event("b"));
    keep(here, event("a"));
    keep(here, event("b", 2));
    assert.deepEqual(
      events(here).map(({ id, state }) => [id, state]),
      [
        ["a", 1],
        ["b", 2],
      ],
    );
    drop(here, event("b", 1));
    assert.equal(events(here).length, 2, "a later state has been kept since");
    drop(here, event("b", 2));
    drop(here, event("a"));
    assert.deepEqual(events(here), []);
  }
});

test("what is no event is passed over", () => {
  const here = place();
  (localStorage as unknown as Record<string, string>)["tv_site.response.x"] = "{broken";
  assert.deepEqual(events(here), []);
});

test("forgetting leaves what has to arrive, erasing leaves nothing", () => {
  const here = place();
  remember(here, "zero", {}, "token");
  keep(here, event("a"));
  forget(here);
  assert.equal(visitor(here), "");
  assert.equal(waiting(here).length, 1);
  assert.equal(here.era, 1);
  erase(here);
  assert.equal(waiting(here).length, 0);
  assert.equal(cookies.size, 0);
});

test("a cookie that someone else removed does not come back", () => {
  const here = place();
  remember(here, "zero", {}, "token");
  cookies.clear();
  remember(here, "one", { shown: 1 });
  assert.equal(visitor(here), "");
});

test("JSON is JSON whatever the page has added to prototypes", () => {
  const prototypes = [Array.prototype, Object.prototype, String.prototype] as unknown as {
    toJSON?: unknown;
  }[];
  for (const one of prototypes)
    Object.defineProperty(one, "toJSON", { value: () => "spoilt", configurable: true });
  try {
    const value = { list: [1, "two", { three: null }], yes: true, no: undefined, 'quo"te': "\u2028" };
    assert.equal(json(value), '{"list":[1,"two",{"three":null}],"yes":true,"quo\\"te":"\u2028"}');
  } finally {
    for (const one of prototypes) delete one.toJSON;
  }
});
