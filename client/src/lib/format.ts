// Numbers for people. The language is handed in; nothing here knows of the page.

/** Tags of languages, the preferred one first. */
type Languages = string | string[];

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];
const UNITS_FR = ['o', 'ko', 'Mo', 'Go', 'To'];

export function formatBytes(bytes: number, language: string): string {
  const units = language.startsWith('fr') ? UNITS_FR : UNITS;
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  const number = new Intl.NumberFormat(language, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return `${number.format(value)} ${units[unit]}`;
}

export function formatRate(bytesPerSecond: number, language: string): string {
  return `${formatBytes(bytesPerSecond, language)}/s`;
}

/** Rounded so that it does not flicker: 4 s, 1 min 20 s, 2 h 5 min. */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    const rest = Math.round((seconds % 60) / 10) * 10;
    return rest > 0 && rest < 60 ? `${minutes} min ${rest} s` : `${minutes} min`;
  }
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function formatTime(ms: number, languages: Languages): string {
  return new Intl.DateTimeFormat(languages, { hour: '2-digit', minute: '2-digit' }).format(ms);
}

export function dayKey(ms: number): string {
  const date = new Date(ms);
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
}

export function formatDay(ms: number, languages: Languages, now: number): string {
  const days = Math.round((startOfDay(now) - startOfDay(ms)) / 86_400_000);
  if (days <= 1) {
    const word = new Intl.RelativeTimeFormat(languages, { numeric: 'auto' }).format(-days, 'day');
    return word.charAt(0).toLocaleUpperCase(languages) + word.slice(1);
  }
  const sameYear = new Date(ms).getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat(languages, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    ...(sameYear ? {} : { year: 'numeric' }),
  }).format(ms);
}

function startOfDay(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0);
}

export function shortHash(hash: string): string {
  return `${hash.slice(0, 8)}…${hash.slice(-4)}`;
}
