import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { followUp, groupOf, thanksFor } from "../src/flow";
import type { Survey, Texts } from "../src/types";

const GROUPS = ["negative", "neutral", "positive"] as const;
interface Row {
  metric: string;
  scale: number;
  negative: number[];
  neutral: number[];
  positive: number[];
}

for (const row of JSON.parse(readFileSync("../tests/contract/scores.json", "utf8")) as Row[])
  test(`groups of ${row.metric} on ${row.scale} points`, () => {
    const neutral: [number, number] = [row.neutral[0]!, row.neutral[row.neutral.length - 1]!];
    GROUPS.forEach((group, index) => {
      for (const score of row[group]) assert.equal(groupOf({ neutral } as Survey, score), index);
    });
  });

const survey = { neutral: [3, 3], email: true } as unknown as Survey;
const texts = { follow: ["bad", "", "good"], thanks: [{ heading: "one for all" }] } as unknown as Texts;

test("the follow-up is the group's", () => {
  assert.equal(followUp(survey, texts, 1), "bad");
  assert.equal(followUp(survey, texts, 3), "");
});

test("the middle one is neutral unless the survey says otherwise", () => {
  for (const points of [3, 5, 7]) {
    const middle = (points + 1) / 2;
    const groups = [middle - 1, middle, middle + 1].map((score) => groupOf({ points } as Survey, score));
    assert.deepEqual(groups, [0, 1, 2]);
  }
});

test("thanks are the group's, or one for all", () => {
  assert.equal(thanksFor(survey, texts, 5).heading, "one for all");
  const own = { ...texts, thanks: [{ heading: "a" }, { heading: "b" }, { heading: "c" }] };
  assert.equal(thanksFor(survey, own, 5).heading, "c");
});
