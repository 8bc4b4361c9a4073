import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { slackDoor } from '../../src/adapters/slack/door.ts';
import { openSlack } from '../../src/app.ts';
import { commandLine } from '../../src/command-line.ts';
import { variables } from '../../src/config.ts';
import { jobs } from '../../src/jobs.ts';
import { permissions } from '../../src/people/model.ts';
import { defaultPolicy } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import { contentOf, filesUnder, isThere, rootFiles, sdkVariables } from '../support/repository.ts';

const pages = [...rootFiles('.md'), ...filesUnder('docs', '.md')];
const source = filesUnder('src', '.ts').map(contentOf).join('\n');

const folders = ['src', 'test', 'docs', 'migrations', 'scripts', '.github', '.ci'];
const scripts = Object.keys((JSON.parse(contentOf('package.json')) as { scripts: object }).scripts);
const { door, registry } = slackDoor();
openSlack(door, { policy: defaultPolicy } as Ports);
const verbs = new Set(['help', ...registry.commands.keys()]);
/** Ours, the AWS SDK's, and that of the program in an example. */
const environment = new Set([...Object.keys(variables), ...sdkVariables, 'OPENAI_API_KEY']);
const actionIds = new Set([
  ...Object.keys(jobs),
  ...Object.keys(permissions),
  ...[...source.matchAll(/'([a-z]+\.[a-z]+(?:-[a-z]+)*)'/g)].map(([, id]) => id!),
]);

/** The commands of the terminal, as its own help shows them. */
const terminal = new Set<string>();
beforeAll(async () => {
  const out = (line: string) => {
    const [, command] = /^ {2}keysteward ([a-z-]+(?: [a-z][a-z-]*)*)/.exec(line) ?? [];
    if (command) terminal.add(command.trim());
  };
  await commandLine(['help'], {}, { out, err: out, untilStopped: async () => {} });
});

function rule(path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], defaultPolicy);
}

/** Everything in a page that is set as code: spans and blocks. */
function codeIn(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```\w*\n([\s\S]*?)^ *```/gm)].map(([, code]) => code!);
  const indented = [...text.matchAll(/^(?: {4})(\S.*)$/gm)].map(([, line]) => line!);
  const rest = text.replace(/^ *```[\s\S]*?^ *```/gm, '');
  return [
    ...blocks.flatMap((block) => block.split('\n')),
    ...indented,
    ...[...rest.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!),
  ];
}

function whatIsWrong(page: string, text: string): string[] {
  const wrong: string[] = [];
  const check = (kind: string, found: string, right: boolean) => {
    if (!right) wrong.push(`${page}: ${kind} ${found} does not exist`);
  };
  for (const [, target] of text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g)) {
    check('link', target!, isThere(join(dirname(page), target!)));
  }
  for (const code of codeIn(text).map((each) => each.replace('npm run keysteward -- ', 'keysteward '))) {
    for (const [path] of code.matchAll(/(?<![\w./~<…-])(?:\.?[a-z]+)\/[\w./-]*\w/g)) {
      if (folders.includes(path.split('/')[0]!)) check('path', path, isThere(path));
    }
    for (const [, script] of code.matchAll(/\bnpm run (?:--\S+ )*([\w:-]+)/g))
      check('script', script!, scripts.includes(script!));
    for (const [, verb] of code.matchAll(/(?<![\w.])\/keys ([a-z-]+)/g))
      check('command', `/keys ${verb}`, verbs.has(verb!));
    for (const [, words] of code.matchAll(/(?<![\w/.@-])keysteward((?: (?!-)[a-z-]+)+)/g)) {
      const said = words!.trim().split(' ');
      const known = said.some((_, i) => terminal.has(said.slice(0, i + 1).join(' ')));
      check('command', `keysteward ${said.join(' ')}`, known);
    }
    for (const [name] of code.matchAll(/(?<![\w$.<{-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w.])/g)) {
      check('variable', name, environment.has(name));
    }
    if (/^[a-z]+(\.[a-zA-Z-]+)+$/.test(code) && Object.hasOwn(defaultPolicy, code.split('.')[0]!)) {
      check('rule or action', code, rule(code) !== undefined || actionIds.has(code));
    }
  }
  return wrong;
}

describe('what people read', () => {
  it.each(pages)('%s names only what exists', (page) => {
    expect(whatIsWrong(page, contentOf(page))).toEqual([]);
  });

  it.each([
    ['[a page](docs/how-to/fly.md)', 'link docs/how-to/fly.md'],
    ['`src/flying/model.ts`', 'path src/flying/model.ts'],
    ['`npm run fly`', 'script fly'],
    ['Type `/keys fly`.', 'command /keys fly'],
    ['    keysteward fly now', 'command keysteward fly now'],
    ['`FLY_HIGH`', 'variable FLY_HIGH'],
    ['`rotation.everyWeeks`', 'rule or action rotation.everyWeeks'],
  ])('notices %j', (text, complaint) => {
    expect(whatIsWrong('README.md', text)).toEqual([`README.md: ${complaint} does not exist`]);
  });

  it('the configuration table has every variable, and no other', () => {
    const [, table] = /^### Configuration\n([\s\S]*?)^## /m.exec(contentOf('README.md'))!;
    const named = [...table!.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell]) => cell!.match(/[A-Z][A-Z0-9_]+/g)!);
    expect(named.sort()).toEqual(Object.keys(variables).sort());
  });

  it('the README has every command of Slack', () => {
    const [, table] = /^## What to do first\n([\s\S]*?)^## /m.exec(contentOf('README.md'))!;
    const named = [...table!.matchAll(/^\| `\/keys ([a-z-]+)/gm)].map(([, verb]) => verb!);
    expect(named.sort()).toEqual([...verbs].filter((verb) => verb !== 'help').sort());
  });

  it('explain every command of the terminal', () => {
    const all = pages.map(contentOf).join('\n').replaceAll('npm run keysteward -- ', 'keysteward ');
    expect([...terminal].filter((command) => !all.includes(`keysteward ${command}`))).toEqual([]);
  });

  it('has the four guides that the procedure asks for', () => {
    const heads = filesUnder('docs/how-to', '.md').map((page) => contentOf(page).split('\n')[0]);
    expect(heads).toEqual(
      expect.arrayContaining([
        '# How to request API key access',
        '# How to rotate an API key',
        '# How to report a suspected compromise',
        '# Setting up environment variables',
      ]),
    );
  });

  it('states the rules for keys with the numbers of the policy', () => {
    const text = contentOf('docs/rules.md').replaceAll('\n', ' ');
    const { rotation, access, risk, permissions } = defaultPolicy;
    for (const part of [
      ...(['Development', 'Staging', 'Production'] as const).map(
        (name) => `| ${name} | ${permissions.guidance[name.toLowerCase() as 'production']} |`,
      ),
      `need ${access.approvals.other} approval, production needs ${access.approvals.production}`,
      `after ${access.maxDays.production} days at most for production and for contractors, after ${access.maxDays.other} days`,
      `older than ${risk.neverRotatedDays} days and were never rotated | ${rotation.everyDays.high} days`,
      `development and staging | ${rotation.everyDays.medium} days`,
      `sandbox environments | ${rotation.everyDays.low} days`,
      `${rotation.beforeExpiryDays} days before its provider ends it`,
      '[Service] API Key - [Environment] - [Purpose]',
    ])
      expect(text).toContain(part);
    expect(access.maxDays.contractor).toBe(access.maxDays.production);
  });

  it('forbids what the procedure forbids, and says what to do instead', () => {
    const said = (page: string) => contentOf(page).replace(/\s+/g, ' ');
    for (const part of [
      'commit a key, not even for a quick test; assume that all code becomes public',
      'send a key by e-mail or chat',
      'show it in a screenshot',
      'hide a key under a harmless name instead of storing it properly',
      'One key per environment',
      'One key per person or per service',
      'read-only where reading is enough, limited to the addresses, models and rates that are needed, with an end',
    ])
      expect(said('docs/rules.md')).toContain(part);
    for (const part of [
      '`.env` is in `.gitignore` *before* it exists',
      '`chmod 600 .env`',
      'Give the service a role of its own that may read exactly its secrets, and read them when it starts',
      'Fail at the start when a variable is missing',
    ])
      expect(said('docs/how-to/set-up-environment-variables.md')).toContain(part);
  });

  it('says what to look at when something does not work', () => {
    const heads = (page: string) => contentOf(page).match(/^## .+$/gm);
    expect(heads('docs/how-to/operate.md')).toContain('## When something hangs');
    expect(heads('docs/how-to/rotate-a-key.md')).toContain('## When something breaks');
  });

  it('begins with the two commands that start and test everything', () => {
    const code = codeIn(contentOf('README.md'));
    expect(code).toEqual(expect.arrayContaining(['npm ci && npm start', 'npm ci && npm test']));
  });

  it('finds the commands that it compares with', () => {
    expect([...verbs]).toEqual(expect.arrayContaining(['request', 'grants', 'end', 'rotate', 'whoami']));
    expect([...terminal]).toEqual(
      expect.arrayContaining(['all', 'bot', 'worker', 'migrate', 'audit list', 'local slack']),
    );
  });
});
