// Prints what the browser has to load, gzipped, and fails when the JavaScript of the first screen passes its budget.
// First screen: the entry with everything it imports statically, and the larger of the two languages.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const BUDGET_BYTES = 250_000;
const assets = join(import.meta.dirname, '../dist/assets');
const html = readFileSync(join(assets, '../index.html'), 'utf8');
const gzip = (name) => gzipSync(readFileSync(join(assets, name)), { level: 9 }).length;
const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

const first = new Set();
const queue = [...html.matchAll(/assets\/([\w.-]+\.js)/g)].map((match) => match[1]);
while (queue.length > 0) {
  const name = queue.pop();
  if (first.has(name)) continue;
  first.add(name);
  const code = readFileSync(join(assets, name), 'utf8');
  for (const match of code.matchAll(/(?:from|import)\s*["']\.\/([\w.-]+\.js)["']/g)) queue.push(match[1]);
}
const scripts = readdirSync(assets).filter((name) => name.endsWith('.js'));
const language = scripts.filter((name) => /^(en|fr)-/.test(name)).sort((a, b) => gzip(b) - gzip(a))[0];
if (language) first.add(language);

const total = [...first].reduce((sum, name) => sum + gzip(name), 0);
console.log('First screen, JavaScript, gzip:');
for (const name of first) console.log(`  ${kb(gzip(name)).padStart(9)}  ${name}`);
console.log(`  ${kb(total).padStart(9)}  in all, of at most ${kb(BUDGET_BYTES)}`);
console.log('Loaded when needed:');
for (const name of scripts.filter((one) => !first.has(one)).sort((a, b) => gzip(b) - gzip(a)))
  console.log(`  ${kb(gzip(name)).padStart(9)}  ${name}`);
if (first.size < 2 || total > BUDGET_BYTES) {
  console.error(`The first screen needs ${kb(total)} of JavaScript: more than ${kb(BUDGET_BYTES)}.`);
  process.exit(1);
}
