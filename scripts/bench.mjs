// npm run bench [-- --quick] [--only NAME]: the numbers that are promised, each as a ratio to a control in the same run.
import { exitCodeOf, tableOf } from './bench/verdict.mjs';
import { optionsOf } from './world/options.mjs';

const benches = {
  acknowledging: async () => (await import('./bench/slack.mjs')).acknowledging,
  'in-time': async () => (await import('./bench/slack.mjs')).inTime,
  keys: async () => (await import('./bench/keys.mjs')).findingKeys,
  jobs: async () => (await import('./bench/jobs.mjs')).durableJobs,
  rotations: async () => (await import('./bench/rotations.mjs')).rotating,
  memory: async () => (await import('./bench/memory.mjs')).memory,
};
const options = optionsOf(
  { quick: { type: 'boolean', default: false }, only: { type: 'string', multiple: true } },
  `npm run bench -- [--quick] [--only NAME], of ${Object.keys(benches).join(', ')}`,
);
const names = options.only?.flatMap((each) => each.split(',')) ?? Object.keys(benches);
const unknown = names.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}.`);
  process.exit(2);
}

const lines = [];
for (const name of names) {
  const started = performance.now();
  console.log(`\n${name}`);
  try {
    const run = await benches[name]();
    lines.push(...(await run({ quick: options.quick, say: (line) => console.log(`  ${line}`) })));
  } catch (error) {
    console.error(error);
    lines.push({ name: `${name}: ${error.message}`, measured: Number.NaN, target: { atMost: 0 } });
  }
  console.log(`  ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
console.log(`\n${tableOf(lines)}`);
process.exitCode = exitCodeOf(lines);
