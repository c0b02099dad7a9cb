// The platform's tables of time zones, so that the wasm needs none.

/** Returns the local time in minutes since midnight, or -1 if there is no such time zone any more. */
export function minuteOfDay(timeZone, at) {
  try {
    const format = new Intl.DateTimeFormat("en", {
      timeZone,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    const [hours, minutes] = format.format(at).split(":").map(Number);
    return hours * 60 + minutes;
  } catch {
    return -1;
  }
}

/** Returns whether there is a time zone of this name. An offset such as `+01:00`, which `Intl` takes, is no name. */
export function isTimeZone(name) {
  try {
    return /^[A-Za-z]/.test(name) && Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}
