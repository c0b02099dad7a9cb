// Formats times in the browser's language.

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const units: [Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** Returns a relative time such as "3 minutes ago". */
export function ago(iso: string): string {
  const seconds = (Date.parse(iso) - Date.now()) / 1_000;
  const unit = units.find(([, length]) => Math.abs(seconds) >= length);
  return unit ? relative.format(Math.round(seconds / unit[1]), unit[0]) : "just now";
}

/** Formats the time of day. `at` is in milliseconds since the epoch. */
export const clockTime = (at: number) => clock.format(at);

/** Formats the date and time. */
export const fullTime = (iso: string) => full.format(Date.parse(iso));
