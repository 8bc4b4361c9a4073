import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export const contentOf = (path: string): string => readFileSync(join(root, path), 'utf8');
export const isThere = (path: string): boolean => existsSync(join(root, path));

/** Every file under a folder of the repository, as a path from its root. */
export function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true })
    .map((each) => `${folder}/${String(each).replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith(ending) && statSync(join(root, path)).isFile())
    .sort();
}

/** Files at the root of the repository. */
export const rootFiles = (ending: string): string[] =>
  readdirSync(root)
    .filter((name) => name.endsWith(ending))
    .sort();

/** What lies in a folder; folders end with a slash. */
export const entriesOf = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).map((each) =>
    each.isDirectory() ? `${each.name}/` : each.name,
  );

/** Variables that the AWS SDK reads by itself. */
export const sdkVariables = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_PROFILE',
  'AWS_ROLE_ARN',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
];

/** The rows of a tab-separated file by the names in its first line. */
export function rowsOf(path: string): Record<string, string>[] {
  const [head, ...lines] = contentOf(path).trimEnd().split('\n');
  const names = head!.split('\t');
  return lines.map((line, i) => {
    const cells = line.split('\t');
    if (cells.length !== names.length) {
      throw new Error(`${path}:${i + 2} has ${cells.length} cells instead of ${names.length}`);
    }
    return Object.fromEntries(names.map((name, column) => [name, cells[column]!.trim()]));
  });
}

/** Titles of the tests in a file's source, as they are written there; skipped ones do not count. */
export function titlesIn(source: string): Set<string> {
  const call =
    /(?<![\w.])(?:it|test)((?:\.\w+)*)(?:\s*\((?:[^()]|\([^()]*\))*\)|`(?:[^`\\]|\\.)*`)??\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)\s*,/g;
  return new Set(
    [...source.matchAll(call)]
      .filter(([, modifiers]) => !/\.(skip|todo|fails)\b/.test(modifiers!))
      .map(([, , single, double, template]) => (single ?? double ?? template)!.replace(/\\(['"`\\])/g, '$1')),
  );
}

/** What is wrong with a reference to a test such as `test/access/decide.test.ts › an approver can …`, or null. */
export function whyNotTest(reference: string): string | null {
  const [path, title, ...rest] = reference.split(' › ').map((part) => part.trim());
  if (!path || !title || rest.length > 0) return `"${reference}" is not of the form "path › title"`;
  if (!/^test\/.+\.test\.ts$/.test(path)) return `${path} is not a test file`;
  if (!isThere(path)) return `${path} does not exist`;
  return titlesIn(contentOf(path)).has(title) ? null : `${path} has no test called "${title}"`;
}
