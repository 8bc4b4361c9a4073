// Everything that can be known without running the product: format, lint, types, who imports whom, manifest, migrations.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

const bin = (name) => path.join('node_modules', '.bin', name);
const problems = [];
function step(name, run) {
  const started = performance.now();
  let said = '';
  try {
    said = run() ?? '';
  } catch (error) {
    problems.push(name);
    console.log(
      `✗ ${name}\n${error.stdout ?? ''}${error.stderr ?? ''}${error.stdout || error.stderr ? '' : error.message}`,
    );
    return;
  }
  console.log(`✓ ${name}${said ? `: ${said}` : ''} (${Math.round(performance.now() - started)} ms)`);
}
const run = (command, ...args) => {
  const done = spawnSync(bin(command), args, { encoding: 'utf8', maxBuffer: 50e6 });
  if (done.status !== 0)
    throw Object.assign(new Error(`${command} ended with ${done.status}`), {
      stdout: done.stdout,
      stderr: done.stderr,
    });
  return done.stdout;
};

step('format and fast lint', () => void run('biome', 'check', '--error-on-warnings', '.'));
step('lint with types', () => void run('oxlint', '--type-aware', '--deny-warnings', 'src', 'test'));
step('types', () => void run('tsc', '-p', 'tsconfig.json'));

step('who imports whom', () => {
  const files = fs
    .readdirSync('src', { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name.endsWith('.ts')).length;
  const result = JSON.parse(run('depcruise', 'src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'));
  const seen = result.modules.filter((each) => each.source.startsWith('src/') && each.source.endsWith('.ts')).length;
  const broken = result.summary.violations.filter((each) => each.rule.severity === 'error');
  if (broken.length > 0)
    throw new Error(broken.map((each) => `  ${each.rule.name}: ${each.from} → ${each.to}`).join('\n'));
  if (seen < files) throw new Error(`only ${seen} of ${files} files were looked at`);
  return `${seen} files`;
});

step('manifest', () => {
  const manifest = parse(fs.readFileSync('manifest.yml', 'utf8'));
  if (!manifest.oauth_config?.scopes?.bot?.length) throw new Error('no bot scopes');
  for (const command of manifest.features.slash_commands)
    if (!command.should_escape) throw new Error(`${command.command}: should_escape has to be true`);
});

step('migrations', () => {
  const journal = JSON.parse(fs.readFileSync('migrations/meta/_journal.json', 'utf8')).entries;
  const files = fs
    .readdirSync('migrations')
    .filter((each) => each.endsWith('.sql'))
    .sort();
  if (files.join() !== journal.map((each) => `${each.tag}.sql`).join())
    throw new Error('the journal and the files differ');
  journal.forEach((each, i) => {
    if (each.idx !== i || (i > 0 && each.when <= journal[i - 1].when))
      throw new Error(`${each.tag}: idx and when have to rise`);
  });
  return `${files.length} in order`;
});

step('lock file', () => {
  const lock = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'));
  for (const [name, entry] of Object.entries(lock.packages)) {
    if (name === '' || entry.link) continue;
    if (entry.resolved) throw new Error(`${name} has a download address`);
    if (!entry.integrity && !entry.inBundle) throw new Error(`${name} has no integrity hash`);
    if ((entry.os || entry.cpu) && !entry.optional && !entry.devOptional)
      throw new Error(`${name} is for one platform and not optional`);
  }
  return `${Object.keys(lock.packages).length - 1} packages`;
});

step('nothing of this machine in the project', () => {
  const top = execFileSync('git', ['rev-parse', '--show-toplevel'], { encoding: 'utf8' }).trim();
  const found = spawnSync('git', ['grep', '-nIF', '-e', `${path.dirname(top)}/`, '--', '.'], {
    encoding: 'utf8',
  }).stdout;
  if (path.dirname(top) !== '/' && found) throw new Error(found);
});

if (problems.length > 0) {
  console.log(`\n${problems.length} of the checks failed: ${problems.join(', ')}`);
  process.exitCode = 1;
}
