// Shows the survey in the page itself; the loader beside it brings the survey.
(window.tevreden ||= []).push([
  "show",
  document.currentScript.dataset.survey,
  { mount: document.querySelector("main") },
]);
