import { oneLine } from '../control/one-line.ts';

/** Rows with aligned columns; those whose title begins with ">" are aligned right. Texts from outside cannot break out of their cell. */
export class Table {
  readonly #titles: readonly string[];
  readonly #right: readonly boolean[];
  readonly #widths: number[];
  #begun = false;

  constructor(titles: readonly string[]) {
    this.#right = titles.map((title) => title.startsWith('>'));
    this.#titles = titles.map((title) => title.replace(/^>/, ''));
    this.#widths = this.#titles.map((title) => title.length);
  }

  /** Lines of these rows, the titles in front the first time. Widths grow, so that a long list can be written piece by piece. */
  format(rows: readonly (readonly string[])[]): string {
    const cells = rows.map((row) => row.map(oneLine));
    for (const row of cells) {
      row.forEach((cell, column) => {
        this.#widths[column] = Math.max(this.#widths[column] ?? 0, cell.length);
      });
    }
    const lines = this.#begun ? cells : [this.#titles, ...cells];
    this.#begun = true;
    return lines.map((row) => `${this.#line(row)}\n`).join('');
  }

  #line(row: readonly string[]): string {
    const padded = row.map((cell, column) => {
      const width = this.#widths[column] ?? 0;
      return this.#right[column] === true ? cell.padStart(width) : cell.padEnd(width);
    });
    return `  ${padded.join('  ')}`.trimEnd();
  }
}

/** 1,234,567 */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** Powers of 1000, three digits. */
export function formatBytes(bytes: number): string {
  let rest = bytes;
  let unit = 0;
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
  return `${rest.toFixed(digits)} ${UNITS[unit]}`;
}

/** The two largest units: "3 d 4 h". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

/** "4 min ago", or "-" for never. */
export function formatAgo(time: string | null, now = Date.now()): string {
  return time === null ? '-' : `${formatDuration((now - Date.parse(time)) / 1000)} ago`;
}

/** "in 4 min", or "-" for never. */
export function formatUntil(time: string | null, now = Date.now()): string {
  return time === null ? '-' : `in ${formatDuration((Date.parse(time) - now) / 1000)}`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
