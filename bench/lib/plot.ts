/** Bars under one heading: ratios to a reference, which is 1. */
export interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly name: string;
  /** NaN: not measured, and not drawn. */
  readonly ratio: number;
  /** The absolute figure, for the text beside the bar. */
  readonly note: string;
  /** Ours stand out. */
  readonly isOurs: boolean;
}

const WIDTH = 760;
const LEFT = 150;
const RIGHT = 190;
const BAR = 14;
const STEP = 20;
const GROUP_GAP = 34;
const TOP = 64;
/** So many times our longest bar. */
const CUT = 2.5;

/**
 * A drawing of the ratios, for GitHub and browsers: no script, no font but the reader's, legible on white and on black. The scale is
 * linear, of each group its own; a line marks the reference. What is far beyond ours is cut, and pale, so that the others can be told apart.
 */
export function plotBars(title: string, explanation: string, groups: readonly BarGroup[]): string {
  const drawn = groups
    .map((group) => ({ ...group, bars: group.bars.filter(({ ratio }) => Number.isFinite(ratio)) }))
    .filter(({ bars }) => bars.length > 0);
  const parts: string[] = [];
  let y = TOP;
  for (const { title: heading, bars } of drawn) {
    parts.push(text(12, y, heading, 'group'));
    y += 10;
    const top = y;
    const longest = longestOf(bars);
    const scale = (WIDTH - LEFT - RIGHT) / longest;
    for (const bar of bars) {
      const length = Math.max(1, Math.min(bar.ratio, longest) * scale);
      const style = bar.isOurs ? 'bar own' : bar.ratio > longest ? 'bar cut' : 'bar';
      parts.push(
        text(LEFT - 8, y + 11, bar.name, bar.isOurs ? 'name ours' : 'name'),
        `<rect x="${LEFT}" y="${y}" width="${round(length)}" height="${BAR}" rx="2" class="${style}"/>`,
        text(round(LEFT + length + 6), y + 11, `${short(bar.ratio)}×  ${bar.note}`, 'note'),
      );
      y += STEP;
    }
    const one = round(LEFT + scale);
    parts.push(`<line x1="${one}" y1="${top - 3}" x2="${one}" y2="${y - 3}" class="one"/>`);
    y += GROUP_GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect width="${WIDTH}" height="${y}" class="ground"/>`,
    text(12, 24, title, 'title'),
    text(12, 42, explanation, 'note'),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

const STYLE = [
  'text{font:12px system-ui,sans-serif;fill:#1f2328}',
  '.title{font-size:16px;font-weight:600}.group{font-weight:600}.name{text-anchor:end}.ours{font-weight:600}',
  '.note{fill:#59636e}.ground{fill:#fff}.bar{fill:#afb8c1}.own{fill:#0969da}.cut{fill:#e1e5ea}.one{stroke:#59636e;stroke-dasharray:3 3}',
].join('');

function longestOf(bars: readonly Bar[]): number {
  const longest = Math.max(1, ...bars.map(({ ratio }) => ratio));
  const ours = bars.filter(({ isOurs }) => isOurs).map(({ ratio }) => ratio);
  return ours.length === 0 ? longest : Math.min(longest, CUT * Math.max(1, ...ours));
}

function text(x: number, y: number, content: string, style: string): string {
  return `<text x="${x}" y="${y}" class="${style}">${escaped(content)}</text>`;
}

function short(ratio: number): string {
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
