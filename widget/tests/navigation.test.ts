import assert from "node:assert/strict";
import test from "node:test";
import { pageAt } from "../src/navigation";
import type { Survey } from "../src/types";

const survey = (change: Partial<Survey>) => change as Survey;
const surveys = [
  survey({}),
  survey({ include: [{ path: "/order/" }], exclude: [{ query: [["plan", "pro*"]] }] }),
  survey({ include: [{ path: "/app/", hash: "/*" }] }),
];
const same = (from: string, to: string) =>
  pageAt(surveys, new URL(from, "https://shop.example")) ==
  pageAt(surveys, new URL(to, "https://shop.example"));

const one: [string, string][] = [
  ["/article#section-1", "/article#section-2"],
  ["/film?t=1", "/film?t=2"],
  ["/shoes?q=", "/shoes?q=red#top"],
  ["/order?plan=basic", "/order?plan=small"],
  ["/app#section", "/app#other"],
];
for (const [from, to] of one) test(`${to} is the page of ${from}`, () => assert.ok(same(from, to)));

const two: [string, string][] = [
  ["/article", "/order"],
  ["/order", "/order?plan=pro-2"],
  ["/app", "/app#/done"],
  ["/app#/a", "/app#/b"],
];
for (const [from, to] of two) test(`${to} is another page than ${from}`, () => assert.ok(!same(from, to)));
