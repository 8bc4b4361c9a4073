import pg from 'pg';
import { keyRows, rotationRows } from '../../dist/adapters/postgres/reads.js';
import { listeningSession, makeKeys, questions, searches, waysInto } from './many-keys.mjs';
import { databaseBeside, onStage, postgresFor } from './stage.mjs';
import { median } from './verdict.mjs';

/** The list and the due query over a million keys ÷ over ten thousand, question by question in turns. */
export async function findingKeys({ quick, say }) {
  return onStage(async (stage) => {
    const postgres = await postgresFor(stage, {
      inMemory: true,
      flags: [
        'fsync=off',
        'synchronous_commit=off',
        'full_page_writes=off',
        'max_wal_size=4GB',
        'shared_buffers=512MB',
      ],
    });
    const counts = { few: 10_000, many: quick ? 100_000 : 1_000_000 };
    const against = `${counts.many.toLocaleString('en')} keys against ${counts.few.toLocaleString('en')}`;
    const sides = {};
    for (const [name, count] of Object.entries(counts)) {
      const { url } = await databaseBeside(stage, postgres, `keys_${name}`);
      const client = new pg.Client(url);
      await client.connect();
      stage.leave(() => client.end());
      const started = performance.now();
      await makeKeys(client, count);
      say(`${count} keys made in ${((performance.now() - started) / 1000).toFixed(1)} s`);
      const { asked, session } = listeningSession(client);
      const reads = { keys: keyRows(session), rotations: rotationRows(session) };
      sides[name] = { client, asked, questions: questions(reads), searches: searches(reads) };
    }
    const { many } = sides;
    const lines = [];
    let scans = 0;
    for (const [name, ask] of Object.entries({ ...many.questions, ...many.searches })) {
      many.asked.length = 0;
      await ask();
      for (const question of many.asked) {
        const ways = await waysInto(many.client, 'api_key', question);
        if (!ways.includes('Seq Scan')) continue;
        scans++;
        say(`${name} reads every row: ${question.sql}`);
      }
    }
    const rounds = quick ? 50 : 400;
    const timed = async (ask) => {
      const before = performance.now();
      await ask();
      return performance.now() - before;
    };
    for (const name of Object.keys(many.questions)) {
      const took = { few: [], many: [] };
      for (let i = 0; i < rounds + 10; i++) {
        // Who goes first changes: the second finds the processor warm.
        for (const side of i % 2 ? ['few', 'many'] : ['many', 'few']) {
          const ms = await timed(sides[side].questions[name]);
          if (i >= 10) took[side].push(ms);
        }
      }
      const [measured, control] = [median(took.many), median(took.few)];
      lines.push({
        name: `${name}: ${against}`,
        measured,
        control,
        ratio: measured / control,
        unit: 'ms',
        target: { atMost: 1.5 },
      });
    }
    for (const name of Object.keys(many.searches)) {
      const took = { few: [], many: [] };
      for (let i = 0; i < (quick ? 3 : 9); i++)
        for (const side of ['many', 'few']) took[side].push(await timed(sides[side].searches[name]));
      const [measured, control] = [median(took.many), median(took.few)];
      lines.push({ name: `${name}: the same`, measured, control, ratio: measured / control, unit: 'ms' });
    }
    lines.push({ name: 'questions that read every key', measured: scans, target: { atMost: 0 } });
    return lines;
  });
}
