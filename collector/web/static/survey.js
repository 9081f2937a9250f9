// Shows the survey in the page itself, which wears its colour; the loader beside it brings the survey.
document.documentElement.style.setProperty("--color", document.currentScript.dataset.color);
(window.tevreden ||= []).push([
  "show",
  document.currentScript.dataset.survey,
  { mount: document.querySelector("main") },
]);
