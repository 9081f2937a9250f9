/** What is asked next. Pure. */
import type { Group, Survey, Texts, Thanks } from "./types";

/** The group of a score: below the neutral ones, neutral, or above. */
export const groupOf = ({ neutral: [low, high] }: Survey, score: number): Group =>
  score < low ? 0 : score > high ? 2 : 1;

/** What follows a score: a question (empty for none) and whether to ask for an e-mail address. */
export const followUp = (survey: Survey, texts: Texts, score: number, known: boolean) => ({
  question: texts.follow[groupOf(survey, score)],
  email: !!survey.email && !known,
});

/** What is said at the end to a score's group. */
export const thanksFor = (survey: Survey, texts: Texts, score: number): Thanks =>
  texts.thanks[groupOf(survey, score)] || texts.thanks[0] || {};
