/** Whatever goes wrong in a call stays out of the host page. */
export const guard = <T>(call: () => T): T | undefined => {
  try {
    return call();
  } catch {
    return; // forbidden, full, missing or spoilt: the page goes on without us
  }
};
