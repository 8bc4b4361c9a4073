import { describe, expect, it } from 'vitest';
import { configFrom, variables } from '../../src/config.ts';
import { contentOf, filesUnder, sdkVariables } from '../support/repository.ts';

/** Not for people: a place to die at in crash tests, a warning of the SDK, and what a child process inherits. */
const internal = ['KEYSTEWARD_FAILPOINT', 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'PATH'];

const example = Object.fromEntries(
  [...contentOf('.env.example').matchAll(/^#?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name!, value!]),
);

describe('.env.example', () => {
  it('documents every variable that the program reads, and no other', () => {
    expect(Object.keys(example).sort()).toEqual([...Object.keys(variables), ...sdkVariables].sort());
  });

  it('has an example for each that the program accepts, and sets none by itself', () => {
    expect(() => configFrom({ ...example, SLACK_APP_TOKEN: undefined })).not.toThrow();
    expect(() => configFrom(example)).not.toThrow();
    expect(contentOf('.env.example')).not.toMatch(/^[A-Z]/m);
  });

  it('shows the defaults that the program has', () => {
    const config = configFrom({});
    for (const name of [
      'HOST',
      'PORT',
      'DATA_DIR',
      'POLICY_FILE',
      'LOG_LEVEL',
      'WORK_LEASE_MS',
      'PAGERDUTY_URL',
    ] as const)
      expect(example[name], name).toBe(String(config[name]));
  });

  it('is the only such file that can be committed', () => {
    const ignored = contentOf('.gitignore').split('\n');
    expect(ignored).toEqual(expect.arrayContaining(['.env', '.env.*', '!.env.example']));
  });

  it('is complete: nothing in the source reads a variable beside the table', () => {
    const known = new Set([...Object.keys(variables), ...sdkVariables, ...internal]);
    const read = filesUnder('src', '.ts').flatMap((path) =>
      [...contentOf(path).matchAll(/process\.env(?:\.|\[')([A-Z][A-Z0-9_]+)/g)].map(([, name]) => name!),
    );
    expect(read.length).toBeGreaterThan(0);
    expect(read.filter((name) => !known.has(name))).toEqual([]);
  });
});
