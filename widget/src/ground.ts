/** Light or dark, from a colour as browsers compute it. Pure. */

/**
 * Whether a background, as browsers compute it, is dark or light; empty for one that lets through what is behind it. As
 * good as any measure: of the channels, green is most of what people see as bright.
 */
export const ground = (color: string): "dark" | "light" | "" => {
  const [first = 0, second = 0, , alpha = 1] = (color.match(/(?<=[( ])-?[\d.]+/g) || []).map(Number);
  const bright = /^rgb/.test(color)
    ? second / 255
    : /^l/.test(color)
      ? first / 100
      : /^o/.test(color)
        ? first
        : second;
  return alpha < 0.5 ? "" : bright < 0.5 ? "dark" : "light";
};
