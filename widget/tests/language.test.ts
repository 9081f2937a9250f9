import assert from "node:assert/strict";
import test from "node:test";
import { named } from "../src/language";

const cases: [string | null | undefined, string][] = [
  ["nl", "nl"],
  ["nl_NL", "nl"],
  ["NL-be", "nl"],
  [" nl ", "nl"],
  ["\tde_DE.UTF-8\n", "de"],
  ["de_DE@euro", "de"],
  ["nl.UTF-8", "nl"],
  ["nld", "nl"],
  ["dut-NL", "nl"],
  ["ger", "de"],
  ["iw", "he"],
  ["iw-IL", "he"],
  ["in_ID", "id"],
  ["ji", "yi"],
  ["jpn-JP", "ja"],
  ["zh-Hant-TW", "zh"],
  ["", ""],
  ["*", "*"],
  ["(", "("],
  [null, ""],
  [undefined, ""],
];
for (const [tag, wanted] of cases)
  test(`language ${JSON.stringify(tag)}`, () => assert.equal(named(tag)[1], wanted));

test("a whole tag comes before its first part", () => assert.deepEqual(named("pt_BR"), ["pt-br", "pt"]));
