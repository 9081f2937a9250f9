/** What a site's developer has to know, where nothing else shows it: one quiet line in the console, once a page. */

/** What scripts of this page know of each other: other builds too, so that these names stay. */
export interface Shared {
  /** The key of the site that has this page. */
  site?: string;
  said?: boolean;
}

export const say = (text: string): undefined => {
  const shared: Shared = (window as { tevreden?: Shared }).tevreden || {};
  if (!shared.said) console.info("Tevreden: " + text);
  shared.said = true;
};
