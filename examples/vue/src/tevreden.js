import { inject, onScopeDispose } from "vue";
import { load } from "tevreden-widget";

const KEY = Symbol("tevreden");

/** A plugin: `app.use(surveys, { collector, site })`. On a server nothing happens. */
export const surveys = {
  install: (app, options) => app.provide(KEY, load(options)),
};

/** The surveys of this site, for a component to call. */
export const useTevreden = () => inject(KEY);

/** Hear every answer for as long as the component is there. */
export const onAnswered = (handler) => onScopeDispose(useTevreden().on("answered", handler));
