import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plotBars } from '../../bench/lib/plot.ts';

test('bars are as long as their ratios, ours stand out, what was not measured is not drawn', () => {
  const svg = plotBars('A <title> & more', 'longer is better', [
    {
      title: 'speed',
      bars: [
        { name: 'ours', ratio: 3, note: '30 /s', isOurs: true },
        { name: 'reference', ratio: 1, note: '10 /s', isOurs: false },
        { name: 'absent', ratio: Number.NaN, note: '', isOurs: false },
      ],
    },
    { title: 'nobody', bars: [] },
  ]);
  const widths = [...svg.matchAll(/<rect x="150" [^>]*width="([\d.]+)"[^>]*class="(bar own|bar)"/g)].map((found) => [
    Number(found[1]),
    found[2],
  ]);
  assert.deepEqual(widths, [
    [420, 'bar own'],
    [140, 'bar'],
  ]);
  assert.match(svg, /<title>A &lt;title&gt; &amp; more<\/title>/);
  assert.match(svg, />3\.00× {2}30 \/s</);
  assert.match(svg, /<line x1="290" /);
  assert.doesNotMatch(svg, /absent|nobody|NaN/);
});

test('what is far beyond ours is cut, and its ratio said', () => {
  const bars = [
    { name: 'ours', ratio: 2, note: '', isOurs: true },
    { name: 'kernel', ratio: 50, note: '', isOurs: false },
  ];
  const svg = plotBars('cut', '', [{ title: 'speed', bars }]);
  assert.match(svg, /width="168" [^>]*class="bar own"/);
  assert.match(svg, /width="420" [^>]*class="bar cut"/);
  assert.match(svg, />50\.0× /);
});

test('a drawing without a single bar is still one', () => {
  assert.match(plotBars('empty', '', []), /^<svg [^>]*height="64"[\s\S]*<\/svg>\n$/);
});
