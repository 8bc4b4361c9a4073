import path from 'node:path';
import type { Policy } from '../../policy.ts';
import { anthropicDialect } from './anthropic.ts';
import { openaiDialect } from './openai.ts';
import { type Dialect, type LocalProvider, startLocalProvider } from './server.ts';

/** The providers that stand in for real ones, by their name in the policy. */
const kinds: Record<string, { dialect: Dialect; settings: Record<string, unknown> }> = {
  openai: { dialect: openaiDialect(), settings: { project: 'proj_larkfield' } },
  anthropic: { dialect: anthropicDialect(), settings: {} },
};

/** Providers on this machine, to which the sample company's keys belong. */
export interface LocalProviders {
  /** For `providers` of the policy, as policy.yml would have it. */
  entries: Record<string, unknown>;
  /** What Keysteward works with at each, to be stored under `credential` of its entry. */
  credentials: { secretId: string; value: string }[];
  urls: Record<string, string>;
  /** Whether this entry of a policy is one of these, and not a real one of the same name. */
  isLocal(name: string, providers: Policy['providers']): boolean;
  /** The value of a key that somebody has made there. */
  makeKey(name: string, called: string): string;
  close(): Promise<void>;
}

/** Starts one of each. What they know is kept in `dataDir`. */
export async function startLocalProviders(dataDir: string): Promise<LocalProviders> {
  const running = new Map<string, LocalProvider>();
  for (const [name, { dialect }] of Object.entries(kinds))
    running.set(name, await startLocalProvider(dialect, path.join(dataDir, `provider-${name}.json`)));
  const secretIdOf = (name: string) => `keysteward/${name}`;
  return {
    entries: Object.fromEntries(
      [...running].map(([name, { url }]) => [
        name,
        {
          ...{ kind: name, baseUrl: url, console: url, credential: secretIdOf(name), propagationSeconds: 0 },
          ...kinds[name]!.settings,
        },
      ]),
    ),
    credentials: [...running].map(([name, { world }]) => ({ secretId: secretIdOf(name), value: world.admin })),
    urls: Object.fromEntries([...running].map(([name, { url }]) => [name, url])),
    isLocal(name, providers) {
      const entry = providers[name];
      return entry !== undefined && 'baseUrl' in entry && entry.baseUrl === running.get(name)?.url;
    },
    makeKey: (name, called) => running.get(name)!.world.make(called, kinds[name]!.dialect.console!.newValue()).value,
    close: async () => void (await Promise.all([...running.values()].map((each) => each.close()))),
  };
}
