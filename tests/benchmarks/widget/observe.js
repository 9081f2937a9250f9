/** What the bench puts into every page, before anything of the page's own. Times in milliseconds. */
const bench = (window.bench = {
  /** What long tasks block beyond 50 ms each, and how far the layout shifts. */
  seen: { blocking: 0, shift: 0 },

  /** Whether an element that fits the selector, in open shadow roots too, is drawn on the screen. */
  visible: (selector, root = document) =>
    [...root.querySelectorAll("*")].some((one) => {
      if (one.shadowRoot && bench.visible(selector, one.shadowRoot)) return true;
      if (!one.matches(selector)) return false;
      const { width, height, top, bottom, left, right } = one.getBoundingClientRect();
      const inside = bottom > 0 && right > 0 && top < innerHeight && left < innerWidth;
      const opaque = one.checkVisibility({ opacityProperty: true, visibilityProperty: true });
      return width && height && inside && opaque;
    }),

  /** When such an element is first drawn, from the moment the page was asked for; null if not within so long. */
  shown: (selector, patience) =>
    new Promise((done) => {
      const look = () => {
        if (bench.visible(selector)) done(performance.now());
        else if (performance.now() > patience) done(null);
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }),
});

const each = (type, add) =>
  new PerformanceObserver((list) => list.getEntries().forEach(add)).observe({ type, buffered: true });
each("longtask", ({ duration }) => (bench.seen.blocking += Math.max(0, duration - 50)));
each("layout-shift", ({ value }) => (bench.seen.shift += value));
