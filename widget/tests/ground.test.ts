import assert from "node:assert/strict";
import test from "node:test";
import { ground } from "../src/ground";

const GROUNDS: [string, "dark" | "light" | ""][] = [
  ["rgb(255, 255, 255)", "light"],
  ["rgb(17, 17, 17)", "dark"],
  ["rgba(0, 0, 0, 0)", ""],
  ["rgba(17, 17, 17, 0.9)", "dark"],
  ["rgba(0, 0, 0, 0.05)", ""],
  ["rgb(0, 0, 139)", "dark"],
  ["rgb(255, 224, 102)", "light"],
  ["oklch(0.2 0.02 250)", "dark"],
  ["oklch(0.97 0.01 90)", "light"],
  ["oklab(0.2 -0.01 0.02 / 0.9)", "dark"],
  ["oklch(0.2 0.02 250 / 0.2)", ""],
  ["lab(12 0.5 -3)", "dark"],
  ["lch(95 2 100)", "light"],
  ["color(srgb 0.1 0.1 0.1)", "dark"],
  ["color(display-p3 0.95 0.95 0.9)", "light"],
];

test("a background is dark, light, or lets through what is behind it", () => {
  for (const [color, wanted] of GROUNDS) assert.equal(ground(color), wanted, color);
});
