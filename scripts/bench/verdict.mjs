/** What was measured, judged and laid out. Pure, so that a test can hold it. */

/** Whether a line keeps its target: by its ratio where it has a control, else by what was measured. Without a target it only informs. */
export function verdictOf({ ratio, measured, target }) {
  if (!target) return 'info';
  const value = ratio ?? measured;
  if (!Number.isFinite(value)) return 'missed';
  const kept = target.atMost !== undefined ? value <= target.atMost : value >= target.atLeast;
  return kept ? 'kept' : 'missed';
}

const rounded = (value) => {
  if (!Number.isFinite(value)) return '-';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
};
const withUnit = (value, unit = '') =>
  value === undefined || value === null ? '' : `${rounded(value)}${unit && ` ${unit}`}`;
const targetText = (target, unit) => {
  if (!target) return '';
  const [sign, value] = target.atMost !== undefined ? ['≤', target.atMost] : ['≥', target.atLeast];
  return `${sign} ${value}${unit && ` ${unit}`}`;
};

const heads = ['name', 'measured', 'control', 'ratio', 'target', 'verdict'];

/** The table as text. */
export function tableOf(lines) {
  const rows = lines.map((line) => [
    line.name,
    withUnit(line.measured, line.unit),
    withUnit(line.control, line.unit),
    line.ratio === undefined ? '' : rounded(line.ratio),
    targetText(line.target, line.ratio === undefined ? (line.unit ?? '') : ''),
    verdictOf(line),
  ]);
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i].length)));
  const laid = (cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd();
  return [laid(heads), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(laid)].join('\n');
}

/** Exit code of the run: 1 when a target is missed or nothing was measured. */
export function exitCodeOf(lines) {
  return lines.length > 0 && lines.every((line) => verdictOf(line) !== 'missed') ? 0 : 1;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value that so much of the sorted list does not exceed. */
export function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
}
