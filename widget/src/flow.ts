/** What is asked next. Pure. */
import type { Group, Survey, Texts, Thanks } from "./types";

/** The group of a score: below the neutral ones, neutral, or above. */
export const groupOf = (
  { points, neutral: [low, high] = [points / 2, points / 2 + 1] }: Survey,
  score: number,
): Group => (score < low ? 0 : score > high ? 2 : 1);

/** The question that follows a score; empty for none. */
export const followUp = (survey: Survey, texts: Texts, score: number): string =>
  texts.follow[groupOf(survey, score)];

/** What is said at the end to a score's group. */
export const thanksFor = (survey: Survey, texts: Texts, score: number): Thanks =>
  texts.thanks[groupOf(survey, score)] || texts.thanks[0] || {};
