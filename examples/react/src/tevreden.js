import { load } from "tevreden-widget";

/** The surveys of this site. Loading them twice changes nothing, and on a server nothing happens. */
export const tevreden = load({
  collector: import.meta.env.VITE_COLLECTOR,
  site: import.meta.env.VITE_SITE,
});
