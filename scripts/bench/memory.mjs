import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { everythingFor, onStage, postgresFor, roleFor, slackThatSaysYes } from './stage.mjs';
import { median } from './verdict.mjs';

const linux = process.platform === 'linux';

/**
 * Megabytes of one process: all that is resident (`Rss`), or with what it shares with others divided among them (`Pss`),
 * without which the buffers of Postgres would count once for each of its processes. Only Linux knows the latter.
 */
function megabytesOf(pid, what) {
  if (!linux) return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)]).toString()) / 1024;
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(new RegExp(`^${what}: +(\\d+)`, 'm').exec(text)[1]) / 1024;
}

function parents() {
  if (!linux) {
    const lines = execFileSync('ps', ['-axo', 'pid=,ppid=']).toString().trim().split('\n');
    return lines.map((line) => line.trim().split(/\s+/).map(Number));
  }
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
        return [[Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])]];
      } catch {
        return []; // It ended meanwhile.
      }
    });
}

/** A process and everything that it started. */
function familyOf(pid) {
  const all = parents();
  const family = [pid];
  for (const each of family) family.push(...all.filter(([, parent]) => parent === each).map(([child]) => child));
  return family;
}

/** The median of some looks, a second apart, once it has come to rest. */
async function atRest(look, quick) {
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await wait(quick ? 2_000 : 20_000);
  const looks = [];
  for (let i = 0; i < (quick ? 2 : 7); i++) {
    looks.push(look());
    await wait(1_000);
  }
  return median(looks);
}

/** What the program needs while nobody does anything. */
export async function memory({ quick, say }) {
  const everything = onStage(async (stage) => {
    const { pid } = await everythingFor(stage);
    return atRest(() => {
      const each = familyOf(pid).map((member) => megabytesOf(member, member === pid ? 'Rss' : 'Pss'));
      say(
        `all: ${Math.round(each[0])} MB and ${each.length - 1} others with ${Math.round(each.slice(1).reduce((a, b) => a + b, 0))} MB`,
      );
      return each.reduce((a, b) => a + b, 0);
    }, quick);
  });
  const alone = onStage(async (stage) => {
    const slack = await slackThatSaysYes(stage);
    const postgres = await postgresFor(stage);
    const { pid } = await roleFor(stage, 'bot', { databaseUrl: postgres.url, apiUrl: slack.apiUrl });
    return atRest(() => megabytesOf(pid, 'Rss'), quick);
  });
  // Beside each other: what each is measured by is its own.
  const [all, bot] = await Promise.all([everything, alone]);
  return [
    { name: 'keysteward all at rest, everything embedded', measured: all, unit: 'MB', target: { atMost: 400 } },
    { name: 'keysteward bot alone', measured: bot, unit: 'MB', target: { atMost: 150 } },
  ];
}
