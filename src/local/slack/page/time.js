// Times as Slack words them, in the zone of the person whose eyes these are.
import { viewerZone } from './world.js';

const formats = new Map();
function format(zone, options) {
  const id = zone + JSON.stringify(options);
  let made = formats.get(id);
  if (!made) {
    try {
      made = new Intl.DateTimeFormat('en-US', { timeZone: zone, ...options });
    } catch {
      made = new Intl.DateTimeFormat('en-US', { timeZone: 'UTC', ...options });
    }
    formats.set(id, made);
  }
  return made;
}

/** Clocks of 12 or 24 hours, as this browser's own language has it. */
const twelve = new Intl.DateTimeFormat(undefined, { hour: 'numeric' }).resolvedOptions().hour12 ?? true;

export function partsOf(ms, zone = viewerZone()) {
  const parts = {};
  for (const { type, value } of format(zone, {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(ms))
    parts[type] = value;
  return parts;
}

export const dayOf = (ms, zone = viewerZone()) => {
  const { year, month, day } = partsOf(ms, zone);
  return `${year}-${month}-${day}`;
};

export function clock(ms, seconds = false) {
  return format(viewerZone(), {
    hour: 'numeric',
    minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {}),
    ...(twelve ? { hour12: true } : { hourCycle: 'h23' }),
  }).format(ms);
}

const dayMs = 86_400_000;
/** "today", "yesterday" or "tomorrow", where one of them fits. */
function pretty(ms, now) {
  const day = dayOf(ms);
  if (day === dayOf(now)) return 'today';
  if (day === dayOf(now - dayMs)) return 'yesterday';
  if (day === dayOf(now + dayMs)) return 'tomorrow';
  return null;
}

function ordinal(day) {
  const tail = day % 100 >= 11 && day % 100 <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][day % 10] ?? 'th');
  return `${day}${tail}`;
}

const dateForms = {
  date_num: (ms) => dayOf(ms),
  date_slash: (ms) => dayOf(ms).replaceAll('-', '/'),
  date: (ms, now) => {
    const { year, day } = partsOf(ms);
    const month = format(viewerZone(), { month: 'long' }).format(ms);
    return `${month} ${ordinal(Number(day))}${year === partsOf(now).year ? '' : `, ${year}`}`;
  },
  date_short: (ms) => format(viewerZone(), { month: 'short', day: 'numeric', year: 'numeric' }).format(ms),
  date_long: (ms, now) => `${format(viewerZone(), { weekday: 'long' }).format(ms)}, ${dateForms.date(ms, now)}`,
};

function ago(ms, now) {
  const seconds = Math.round((ms - now) / 1000);
  const steps = [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ];
  const [unit, size] = steps.find(([, each]) => Math.abs(seconds) >= each) ?? ['second', 1];
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}

/** Fills Slack's date tokens. Unknown tokens stay, as in Slack. */
export function fillDate(pattern, seconds, now = Date.now()) {
  const ms = seconds * 1000;
  return pattern.replace(/\{([a-z_]+)\}/g, (whole, token) => {
    if (token === 'time') return clock(ms);
    if (token === 'time_secs') return clock(ms, true);
    if (token === 'ago') return ago(ms, now);
    const wantsPretty = token.endsWith('_pretty');
    const form = dateForms[wantsPretty ? token.slice(0, -'_pretty'.length) : token];
    if (!form) return whole;
    return (wantsPretty ? pretty(ms, now) : null) ?? form(ms, now);
  });
}

/** The heading of a day in a conversation. */
export function dayHeading(ms, now = Date.now()) {
  const word = pretty(ms, now);
  return word ? word[0].toUpperCase() + word.slice(1) : dateForms.date_long(ms, now);
}

/** Everything about a moment, for a tooltip. */
export const fullMoment = (ms) => `${dateForms.date_long(ms, Date.now())} at ${clock(ms, true)}`;

export const msOfTs = (ts) => Number(ts) * 1000;

/** "2026-11-25T14:30" on this zone's clocks, as seconds since 1970. */
export function secondsFromLocal(text, zone = viewerZone()) {
  const naive = Date.parse(`${text}Z`);
  if (Number.isNaN(naive)) return null;
  let ms = naive;
  // Twice, because the first guess may lie on the other side of a clock change.
  for (let i = 0; i < 2; i++) {
    const { year, month, day, hour, minute, second } = partsOf(ms, zone);
    ms += naive - Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  }
  return Math.floor(ms / 1000);
}
export function localFromSeconds(seconds, zone = viewerZone()) {
  const { year, month, day, hour, minute } = partsOf(seconds * 1000, zone);
  return `${year}-${month}-${day}T${hour}:${minute}`;
}
