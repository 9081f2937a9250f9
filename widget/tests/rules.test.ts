import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { decide, glob, matches, Reason } from "../src/rules";
import type { Config, Memory, Pattern, Survey } from "../src/types";

const contract = (name: string) => JSON.parse(readFileSync(`../tests/contract/${name}.json`, "utf8"));
const DAY = 86400;
const NOW = 1_900_000_000;
const HERE = new URL("https://shop.example/cart");

interface Row {
  pattern: string;
  compiled: Pattern;
  matches: string[];
  misses: string[];
}

for (const row of contract("url_patterns").patterns as Row[])
  test(`pattern ${row.pattern}`, () => {
    for (const url of row.matches) assert.ok(matches(row.compiled, new URL(url)), `should match ${url}`);
    for (const url of row.misses) assert.ok(!matches(row.compiled, new URL(url)), `should not match ${url}`);
  });

test("a pattern of many stars takes no longer than its text", () => {
  const started = Date.now();
  assert.equal(glob("*a".repeat(200) + "b", "a".repeat(20_000)), false);
  assert.ok(Date.now() - started < 1000);
});

const survey = (change: Partial<Survey> = {}): Survey => ({
  key_: "k",
  revision_: 1,
  points: 5,
  neutral: [3, 3],
  position: "banner",
  color_: "#000",
  ink: "#fff",
  texts: {},
  ...change,
});

const cases: [string, Partial<Survey>, Memory, string, Partial<Config>?][] = [
  ["nothing known", {}, {}, "show"],
  ["for a link alone", { manual: true }, {}, "manual"],
  ["another page", { include: [{ path: "/home/" }] }, {}, "page"],
  ["an exclude wins", { include: [{}], exclude: [{ path: "/cart/" }] }, {}, "excluded"],
  ["drawn out", { sample: 10 }, { draw: 10 }, "sample"],
  ["drawn in", { sample: 10 }, { draw: 9 }, "show"],
  ["a sample that grew", { sample: 50 }, { draw: 10 }, "show"],
  ["answered, never again", {}, { shown: 1, answered: 1 }, "answered"],
  ["answered long ago, asked each year", { renew: 365 }, { answered: NOW - 366 * DAY }, "show"],
  ["answered lately, asked each year", { renew: 365 }, { answered: NOW - 364 * DAY }, "answered"],
  ["seen, never again", {}, { shown: 1 }, "seen"],
  ["seen, always", { again: 0 }, { shown: NOW }, "show"],
  ["seen, after 30 days", { again: 30 }, { shown: NOW - 31 * DAY }, "show"],
  ["seen, within 30 days", { again: 30 }, { shown: NOW - 29 * DAY }, "seen"],
  ["seen in the future", { again: 30 }, { shown: NOW + 2 * DAY }, "show"],
  ["seen a little in the future", { again: 30 }, { shown: NOW + DAY / 2 }, "seen"],
  ["another lately", {}, { other: NOW - DAY }, "show"],
  ["another in the quiet period", {}, { other: NOW - 6 * DAY }, "quiet", { quiet_days: 7 }],
  ["another before the quiet period", {}, { other: NOW - 8 * DAY }, "show", { quiet_days: 7 }],
  ["another in the future", {}, { other: NOW + 2 * DAY }, "show", { quiet_days: 7 }],
  ["none but this in the quiet period", { again: 0 }, { shown: NOW - DAY }, "show", { quiet_days: 7 }],
  ["another in this session", {}, { other: NOW, session: NOW }, "session", { once_per_session: true }],
  ["another in the last session", {}, { other: NOW - 1, session: NOW }, "show", { once_per_session: true }],
  ["another, and no session", {}, { other: NOW }, "show", { once_per_session: true }],
  ["none but this in this session", {}, { session: NOW }, "show", { once_per_session: true }],
  ["another in a session that does not count", {}, { other: NOW, session: NOW }, "show"],
  ["its own rules come first", {}, { shown: NOW, other: NOW }, "seen", { quiet_days: 7 }],
];
for (const [name, change, memory, reason, site] of cases)
  test(`decision: ${name}`, () =>
    assert.equal(Reason[decide(survey(change), HERE, 1280, memory, NOW, site)]!.toLowerCase(), reason));

test("decision: small screens", () => {
  assert.equal(decide(survey({ large: true }), HERE, 767, {}, NOW), Reason.Screen);
  assert.equal(decide(survey({ large: true }), HERE, 768, {}, NOW), Reason.Show);
});
