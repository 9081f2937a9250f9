import { useEffect, useEffectEvent, useRef } from "react";
import { tevreden } from "./tevreden";

/**
 * A survey in its place on the page, whatever its targeting says. Showing it twice in a row, as strict mode does, shows
 * it once; it leaves the page with this component, which does not count as closing it.
 */
export function Survey({ survey, onAnswered }) {
  const mount = useRef(null);
  const hear = useEffectEvent((answer) => {
    if (answer.survey === survey) onAnswered?.(answer);
  });

  useEffect(() => tevreden.on("answered", hear), []);
  useEffect(() => tevreden.show(survey, { mount: mount.current }), [survey]);
  return <div ref={mount} />;
}
