// Emoji by their Slack names. Those that Keysteward's messages use are drawn here, so that they look the same on every
// machine, also where no emoji font is installed; the others are the system's.
import { el, svg } from './dom.js';

const path = (d, attributes = {}) => svg('path', { d, ...attributes });
const line = (d, stroke = '#fff', width = 2.4) =>
  path(d, { fill: 'none', stroke, 'stroke-width': width, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' });
const disc = (fill, r = 9) => svg('circle', { cx: 10, cy: 10, r, fill });
const tile = (fill) => svg('rect', { x: 1, y: 1, width: 18, height: 18, rx: 4, fill });
const hourglass = (sandAbove) => [
  path('M4 1.5h12M4 18.5h12', { stroke: '#8a6d3b', 'stroke-width': 2.4, 'stroke-linecap': 'round' }),
  path('M5.5 2.5h9c0 4-3 5.5-3 7.5s3 3.5 3 7.5h-9c0-4 3-5.5 3-7.5s-3-3.5-3-7.5z', {
    fill: '#cfe6f5',
    stroke: '#7aa7c4',
    'stroke-width': 0.8,
  }),
  sandAbove ? path('M7 5.5h6c-.5 2-2 3-3 4.5-1-1.5-2.5-2.5-3-4.5zM9.7 10h.6v6h-.6z', { fill: '#e0a83e' }) : null,
  path('M6.3 17c.3-2 2-3.2 3.7-3.2s3.4 1.2 3.7 3.2z', { fill: '#e0a83e' }),
];
const person = (x, fill) => [
  svg('circle', { cx: x, cy: 6.5, r: 3.4, fill }),
  path(`M${x - 5.2} 18c0-4.2 2.2-6.5 5.2-6.5s5.2 2.3 5.2 6.5z`, { fill }),
];
const drawings = {
  white_check_mark: () => [tile('#2eb67d'), line('M5.5 10.3l3.2 3.2 6-7')],
  heavy_check_mark: () => [line('M3.5 10.5l4.5 4.5 8.5-10', '#2eb67d', 3)],
  x: () => [line('M4 4l12 12M16 4 4 16', '#e01e5a', 3.4)],
  warning: () => [
    path('M10 1.5 19 18H1z', { fill: '#f5c343', stroke: '#d69e1b', 'stroke-width': 1, 'stroke-linejoin': 'round' }),
    line('M10 7.5v4.5M10 15.2v.1', '#3a2d00', 2),
  ],
  hourglass: () => hourglass(false),
  hourglass_flowing_sand: () => hourglass(true),
  no_entry_sign: () => [
    svg('circle', { cx: 10, cy: 10, r: 7.6, fill: 'none', stroke: '#d92d20', 'stroke-width': 2.8 }),
    line('M4.8 4.8l10.4 10.4', '#d92d20', 2.8),
  ],
  no_entry: () => [disc('#d92d20'), line('M5.5 10h9', '#fff', 3.2)],
  rotating_light: () => [
    path('M4 15.5V10a6 6 0 0 1 12 0v5.5z', { fill: '#e5484d' }),
    path('M7.5 14v-3.5a2.5 2.5 0 0 1 2.5-2.5', {
      fill: 'none',
      stroke: '#ffc9cb',
      'stroke-width': 1.4,
      'stroke-linecap': 'round',
    }),
    svg('rect', { x: 2.5, y: 15, width: 15, height: 3.2, rx: 1, fill: '#6b7280' }),
    line('M10 .9v1.3M2.7 4l1 1M17.3 4l-1 1', '#e5484d', 1.5),
  ],
  white_large_square: () => [
    svg('rect', { x: 2, y: 2, width: 16, height: 16, rx: 3, fill: '#fff', stroke: '#98a2b3', 'stroke-width': 1.6 }),
  ],
  white_circle: () => [svg('circle', { cx: 10, cy: 10, r: 8, fill: '#fff', stroke: '#98a2b3', 'stroke-width': 1.6 })],
  large_yellow_circle: () => [disc('#f2c744')],
  large_green_circle: () => [disc('#2eb67d')],
  large_blue_circle: () => [disc('#3b82f6')],
  large_orange_circle: () => [disc('#f2994a')],
  red_circle: () => [disc('#e5484d')],
  lock: () => [
    line('M6 9V6.5a4 4 0 0 1 8 0V9', '#8b95a5', 2.2),
    svg('rect', { x: 3.5, y: 8.5, width: 13, height: 9.5, rx: 2, fill: '#e9b44c' }),
    line('M10 12v2.5', '#7a5a13', 1.8),
  ],
  unlock: () => [
    line('M6 9V5.5a4 4 0 0 1 7.6-1.7', '#8b95a5', 2.2),
    svg('rect', { x: 3.5, y: 8.5, width: 13, height: 9.5, rx: 2, fill: '#e9b44c' }),
    line('M10 12v2.5', '#7a5a13', 1.8),
  ],
  key: () => [
    svg('circle', { cx: 6.5, cy: 7, r: 4, fill: 'none', stroke: '#e0a83e', 'stroke-width': 2.6 }),
    line('M9.5 10l7.5 7.5M14 14.5l-2 2M16.2 16.7l-1.5 1.5', '#e0a83e', 2.6),
  ],
  wave: () => [
    path(
      'M6.2 17.5c-1.6-1.5-4.4-6-4.4-7 0-.9 1.1-1.2 1.7-.5l1.7 2L3.7 6.4c-.3-1.2 1.3-1.7 1.8-.6l1.9 4-.6-6c0-1.2 1.7-1.3 1.9-.1l1 5.7.9-5c.3-1.1 1.9-.9 1.8.3l-.3 6c1-1.2 1.7-3 3.3-2.9.9.1.5 1-.1 2.2-1 2-1.8 5-3.5 7-1.5 1.7-4 2-5.6.5z',
      { fill: '#f6c453' },
    ),
    line('M15.5 2.5c1 .6 1.7 1.5 2 2.7', '#98a2b3', 1.3),
  ],
  tada: () => [
    path('M2 18l4.5-11 7 7z', { fill: '#e9b44c' }),
    line('M9 6c.3-1.6 1.4-2.6 1-4M13 10c1.6-1 3.6-.6 5-1.5', '#e5484d', 1.6),
    svg('circle', { cx: 15, cy: 4, r: 1.3, fill: '#3b82f6' }),
    svg('circle', { cx: 17.5, cy: 13, r: 1.2, fill: '#2eb67d' }),
    svg('circle', { cx: 5, cy: 3, r: 1.1, fill: '#a855f7' }),
  ],
  busts_in_silhouette: () => [...person(13.5, '#9db2c9'), ...person(6.5, '#5f7d9c')],
  bust_in_silhouette: () => person(10, '#5f7d9c'),
  fast_forward: () => [tile('#3b82f6'), path('M4 5.5l5.5 4.5L4 14.5zM10 5.5l5.5 4.5-5.5 4.5z', { fill: '#fff' })],
  arrows_counterclockwise: () => [
    tile('#3b82f6'),
    line('M5 9a5 5 0 0 1 9-1.5M15 11a5 5 0 0 1-9 1.5', '#fff', 1.8),
    path('M15.5 4.5v4h-4zM4.5 15.5v-4h4z', { fill: '#fff' }),
  ],
  leftwards_arrow_with_hook: () => [
    tile('#3b82f6'),
    line('M8.5 5l-4 3.5 4 3.5M5 8.5h7a3 3 0 0 1 0 6.5h-1.5', '#fff', 1.8),
  ],
  grey_question: () => [
    line('M6.5 6.5c0-4.5 7-4.5 7-.3 0 2.7-3.5 3-3.5 6', '#98a2b3', 2.6),
    svg('circle', { cx: 10, cy: 16.8, r: 1.6, fill: '#98a2b3' }),
  ],
  question: () => [
    line('M6.5 6.5c0-4.5 7-4.5 7-.3 0 2.7-3.5 3-3.5 6', '#d92d20', 2.6),
    svg('circle', { cx: 10, cy: 16.8, r: 1.6, fill: '#d92d20' }),
  ],
  information_source: () => [tile('#3b82f6'), line('M10 9v5.5M10 5.5v.1', '#fff', 2.2)],
  exclamation: () => [line('M10 2.5v10', '#d92d20', 3), svg('circle', { cx: 10, cy: 17, r: 1.7, fill: '#d92d20' })],
  bell: () => [
    path('M3 15.5c2-1.5 2-3.5 2-6a5 5 0 0 1 10 0c0 2.5 0 4.5 2 6z', { fill: '#e9b44c' }),
    svg('circle', { cx: 10, cy: 17, r: 1.8, fill: '#8a6d3b' }),
  ],
  hash: () => [line('M7.5 3 6 17M14 3l-1.5 14M3.5 7.5h13.5M3 12.5h13.5', '#98a2b3', 1.8)],
  eyes: () => [
    svg('ellipse', { cx: 5.5, cy: 10, rx: 4, ry: 6, fill: '#fff', stroke: '#667085' }),
    svg('ellipse', { cx: 14.5, cy: 10, rx: 4, ry: 6, fill: '#fff', stroke: '#667085' }),
    svg('circle', { cx: 4.3, cy: 11, r: 2, fill: '#222' }),
    svg('circle', { cx: 13.3, cy: 11, r: 2, fill: '#222' }),
  ],
  calendar: () => [
    svg('rect', { x: 2, y: 3.5, width: 16, height: 14.5, rx: 2, fill: '#fff', stroke: '#98a2b3' }),
    path('M2 5.5a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2V8H2z', { fill: '#e5484d' }),
    line('M6 11.5h2M12 11.5h2M6 14.7h2', '#667085', 1.6),
  ],
  clipboard: () => [
    svg('rect', { x: 3, y: 3, width: 14, height: 16, rx: 2, fill: '#b07d4b' }),
    svg('rect', { x: 5, y: 5, width: 10, height: 12, fill: '#fff' }),
    svg('rect', { x: 7, y: 1.5, width: 6, height: 3.5, rx: 1, fill: '#8b95a5' }),
    line('M7 9h6M7 12h6M7 15h4', '#98a2b3', 1.2),
  ],
  shield: () => [
    path('M10 1.5 17 4v5.5c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V4z', { fill: '#3b82f6' }),
    line('M7 10l2.3 2.3L13.5 8', '#fff', 2),
  ],
  memo: () => [
    svg('rect', { x: 3, y: 2, width: 12, height: 16, rx: 1.5, fill: '#fff', stroke: '#98a2b3' }),
    line('M6 6h6M6 9h6M6 12h3', '#98a2b3', 1.2),
    line('M17.5 6l-6.5 8.5', '#e9b44c', 2.4),
  ],
};
drawings.ballot_box_with_check = drawings.white_check_mark;
drawings.heavy_exclamation_mark = drawings.exclamation;
drawings.pencil = drawings.memo;
drawings.date = drawings.calendar;

const letters = {
  '+1': '👍',
  thumbsup: '👍',
  '-1': '👎',
  thumbsdown: '👎',
  smile: '😄',
  slightly_smiling_face: '🙂',
  grinning: '😀',
  thinking_face: '🤔',
  raised_hands: '🙌',
  clap: '👏',
  pray: '🙏',
  muscle: '💪',
  point_right: '👉',
  point_up: '☝️',
  heart: '❤️',
  fire: '🔥',
  boom: '💥',
  sparkles: '✨',
  star: '⭐',
  zap: '⚡',
  rocket: '🚀',
  bulb: '💡',
  mag: '🔍',
  gear: '⚙️',
  wrench: '🔧',
  hammer_and_wrench: '🛠️',
  package: '📦',
  page_facing_up: '📄',
  file_folder: '📁',
  books: '📚',
  book: '📖',
  mortar_board: '🎓',
  link: '🔗',
  email: '📧',
  phone: '☎️',
  pager: '📟',
  bar_chart: '📊',
  chart_with_upwards_trend: '📈',
  chart_with_downwards_trend: '📉',
  moneybag: '💰',
  credit_card: '💳',
  money_with_wings: '💸',
  alarm_clock: '⏰',
  stopwatch: '⏱️',
  clock1: '🕐',
  calendar_spiral: '🗓️',
  spiral_calendar_pad: '🗓️',
  pushpin: '📌',
  paperclip: '📎',
  wastebasket: '🗑️',
  door: '🚪',
  bug: '🐛',
  robot_face: '🤖',
  ghost: '👻',
  skull: '💀',
  globe_with_meridians: '🌐',
  earth_africa: '🌍',
  cloud: '☁️',
  sunny: '☀️',
  snowflake: '❄️',
  octagonal_sign: '🛑',
  stop_sign: '🛑',
  construction: '🚧',
  closed_lock_with_key: '🔐',
  old_key: '🗝️',
  new: '🆕',
  ok: '🆗',
  sos: '🆘',
  repeat: '🔁',
  recycle: '♻️',
  arrow_right: '➡️',
  arrow_left: '⬅️',
  arrow_up: '⬆️',
  arrow_down: '⬇️',
  black_circle: '⚫',
  large_red_square: '🟥',
  large_orange_square: '🟧',
  large_yellow_square: '🟨',
  large_green_square: '🟩',
  black_large_square: '⬛',
  small_red_triangle: '🔺',
  speech_balloon: '💬',
  loudspeaker: '📢',
  mega: '📣',
  no_bell: '🔕',
  zzz: '💤',
  coffee: '☕',
  cake: '🍰',
  beers: '🍻',
  trophy: '🏆',
  first_place_medal: '🥇',
  dart: '🎯',
  crown: '👑',
  ambulance: '🚑',
  fire_engine: '🚒',
  police_car: '🚓',
  label: '🏷️',
  inbox_tray: '📥',
  outbox_tray: '📤',
  envelope: '✉️',
  scroll: '📜',
  detective: '🕵️',
  microscope: '🔬',
  test_tube: '🧪',
  checkered_flag: '🏁',
  triangular_flag_on_post: '🚩',
  white_small_square: '▫️',
  black_small_square: '▪️',
  heavy_minus_sign: '➖',
  heavy_plus_sign: '➕',
  bangbang: '‼️',
  interrobang: '⁉️',
  100: '💯',
  seedling: '🌱',
  briefcase: '💼',
  office: '🏢',
};

export const knownEmoji = (name) => Object.hasOwn(drawings, name) || Object.hasOwn(letters, name);

/** An emoji as an element with its name for screen readers; null for a name that nobody knows. */
export function emoji(name) {
  const words = name.replaceAll('_', ' ');
  if (Object.hasOwn(drawings, name)) {
    return el(
      'span',
      { class: 'emoji', role: 'img', 'aria-label': `${words} emoji`, title: `:${name}:` },
      svg('svg', { viewBox: '0 0 20 20', 'aria-hidden': 'true', focusable: 'false' }, drawings[name]()),
    );
  }
  if (!Object.hasOwn(letters, name)) return null;
  return el('span', { class: 'emoji', role: 'img', 'aria-label': `${words} emoji`, title: `:${name}:` }, letters[name]);
}
