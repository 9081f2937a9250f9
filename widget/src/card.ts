/** What a survey is made of: one element in a shadow root, an adopted style sheet, DOM calls only. */
import { h } from "./dom";
import css from "./style.css";
import type { Survey, Texts } from "./types";

/**
 * One of seven faces, of which a scale of fewer points takes those that differ most. Drawn by the style sheet, because the
 * first SVG of a page takes 31 KB of its heap.
 */
export const face = (points: number, index: number) =>
  h("i", { class: "f" + (points > 5 ? index : points > 3 ? [0, 1, 3, 5, 6][index] : 3 * index) });

/** The element on the page, closed to the page's styles; gives itself and what is to be filled. */
export const drawRoot = (survey: Survey, texts: Texts, language: string, mount: Element | undefined) => {
  const root = h<HTMLElement>("tevreden-survey", {
    "data-survey": survey.key_,
    "data-position": mount ? "inline" : survey.position || "slide-in-right",
    lang: language,
    dir: texts.rtl ? "rtl" : "ltr",
    popover: mount ? undefined : "manual", // above everything, whatever the page does to its body
  });
  const shadow = root.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  shadow.adoptedStyleSheets = [sheet];
  style(root, "color", survey.color_);
  style(root, "off", (survey.offset || 0) + "px");
  style(root, "ink", survey.ink || "#fff");
  return root;
};

/** A value for the style sheet, whatever the page's own says. */
export const style = (root: HTMLElement, name: string, value: string | number) =>
  root.style.setProperty("--" + name, value + "", "important");

/** A radio a score, and what is under it. */
const drawScale = (
  { points, first = 1, plain }: Survey,
  { labels }: Texts,
  choose: (score: number) => void,
) =>
  h(
    "div",
    {
      role: "radiogroup",
      "aria-labelledby": "question",
      "aria-describedby": "ends",
      class: plain ? "scale plain" : "scale",
    },
    ...[...Array(points).keys()].map((index) =>
      h(
        "label",
        {},
        h("input", {
          type: "radio",
          name: "score",
          value: first + index,
          "aria-label": labels?.[index] || first + index,
          onchange: () => choose(first + index),
        }),
        labels ? face(points, index) : h("b", {}, first + index + ""),
      ),
    ),
  );

/** The question, and room for what follows it. */
export const drawForm = (
  survey: Survey,
  texts: Texts,
  choose: (score: number) => void,
  submit: () => void,
  ...rest: Element[]
) => {
  const { labels } = texts;
  const ends = texts.ends || [labels?.[0], labels?.[survey.points - 1]];
  return h<HTMLFormElement>(
    "form",
    { novalidate: "", onsubmit: (event: SubmitEvent) => (event.preventDefault(), submit()) },
    h("h2", { id: "question" }, texts.question_),
    drawScale(survey, texts, choose),
    h("p", { id: "ends" }, ...ends.map((end) => h("span", {}, end))),
    ...rest,
  );
};
