/** Drawn at random: ids, and what proves that they are this browser's. */

/** Hexadecimal digits, four random bits each. */
const digits = (length: number): string =>
  [...crypto.getRandomValues(new Uint8Array(length))].map((byte) => (byte & 15).toString(16)).join("");

/** A UUIDv7: its time is this clock's, its order and uniqueness are what counts. */
export const newId = (): string =>
  (Date.now().toString(16).padStart(12, "0") + digits(18)).replace(
    /(.{8})(.{4})(.{3})(.{3})/,
    "$1-$2-7$3-8$4-",
  );

/**
 * What proves that a later state of an answer comes from the browser that gave it: 128 random bits. It goes with every
 * event of one showing and waits with them; nobody is ever told it.
 */
export const newSecret = (): string => digits(32);
