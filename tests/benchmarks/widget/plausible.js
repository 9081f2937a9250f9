import { init } from "@plausible-analytics/tracker";

const origin = new URL(import.meta.url).origin;
init({ domain: "shop.example", endpoint: origin + "/api/event", captureOnLocalhost: true });
