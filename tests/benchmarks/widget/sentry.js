import { feedbackIntegration, init } from "@sentry/browser";

const dsn = new URL(import.meta.url);
dsn.username = "bench";
dsn.pathname = "/1";
const feedback = feedbackIntegration({ autoInject: false, formTitle: QUESTION });
init({ dsn: dsn.href, integrations: [feedback] });
const form = await feedback.createForm();
form.appendToDom();
form.open();
