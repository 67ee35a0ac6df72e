// Formats numbers, durations and dates.

export const number = (value) => (value ?? null) === null ? "–" : Math.round(value).toLocaleString("en");
export const fixed = (value, digits) => (value ?? null) === null ? "–" : value.toFixed(digits);
export const percent = (share, digits = 1) => `${(share * 100).toFixed(digits)} %`;

export function large(count) {
  if ((count ?? null) === null) return "–";
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} billion`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)} million`;
  return number(count);
}

/** `999 bytes`, `1.8 MB`: as MessageFormat.bytes of the service and kbctl. */
export function bytes(count) {
  let size = count;
  for (const unit of ["bytes", "kB", "MB", "GB"]) {
    if (size < 999.95) return unit === "bytes" ? `${number(count)} byte${count === 1 ? "" : "s"}` : `${size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

/** `8 s`, `12 min`, `3 h 05 min`, `2 d 4 h`: as MessageFormat.duration of the service and kbctl. */
export function duration(seconds) {
  if (!(seconds > 0) || !Number.isFinite(seconds)) return "0 s";
  const whole = Math.max(1, Math.round(Math.min(seconds, 1e12)));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  const minutes = String(Math.floor((whole % 3600) / 60)).padStart(2, "0");
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${minutes} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** The time of day, with the date unless it is today. */
export function moment(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return "–";
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${time}`;
}

export const clock = (text) => new Date(text).toLocaleTimeString("en-GB");
