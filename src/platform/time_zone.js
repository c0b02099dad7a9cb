// The platform's tables of time zones, so that the wasm needs none.

/** Returns whether there is a time zone of this name. An offset such as `+01:00`, which `Intl` takes, is no name. */
export function isTimeZone(name) {
  try {
    return /^[A-Za-z]/.test(name) && Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}
