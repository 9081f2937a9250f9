import { createApp } from "vue";
import App from "./App.vue";
import { surveys } from "./tevreden";

createApp(App)
  .use(surveys, { collector: import.meta.env.VITE_COLLECTOR, site: import.meta.env.VITE_SITE })
  .mount("#root");
