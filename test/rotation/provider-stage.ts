import { randomUUID } from 'node:crypto';
import { afterAll } from 'vitest';
import { issuers } from '../../src/adapters/providers/index.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { type Policy, policySchema } from '../../src/policy.ts';
import type { Issuer, Ports, Secrets } from '../../src/ports.ts';
import type { Rotation } from '../../src/rotation/model.ts';
import { startRotation } from '../../src/rotation/start.ts';
import type { Fitting } from '../providers/fakes/index.ts';
import { type Fake, startFake } from '../providers/fakes/server.ts';
import { quick, type Stage, useStage } from './stage.ts';

/** A key at the imitation of its provider, and what happens to it. */
export interface Scene {
  fake: Fake;
  ports: Ports;
  key: ApiKey;
  old: string;
  rotate(emergency?: boolean): Promise<Rotation['id']>;
  /** What Secrets Manager hands out. */
  current(): Promise<string>;
}

export interface ProviderStage extends Stage {
  /** A provider of this kind as the only one that is connected, by its name, with more for its entry and the policy's rotation. */
  connect(
    fitting: Fitting,
    name?: string,
    more?: { settings?: object; rotation?: Partial<Policy['rotation']> },
  ): Promise<{ fake: Fake; ports: Ports; credential: string }>;
  sceneOf(set: Pick<Scene, 'fake' | 'ports' | 'key' | 'old'>): Scene;
}

export function useProviderStage(): ProviderStage {
  const stage = useStage() as ProviderStage;
  const fakes: Fake[] = [];
  afterAll(async () => void (await Promise.all(fakes.map((each) => each.close()))));

  stage.connect = async (fitting, name = fitting.name, { settings = {}, rotation = {} } = {}) => {
    const fake = await startFake(fitting.dialect());
    fakes.push(fake);
    const credential = `keysteward/credential-${randomUUID()}`;
    await stage.bot.createSecret({ Name: credential, SecretString: (fitting.stored ?? String)(fake.world.admin) });
    const entry = { ...fitting.settings(fake.url, credential, fake.port), ...settings };
    const { providers } = policySchema.parse({ providers: { [name]: entry } });
    const policy = { ...quick, providers, rotation: { ...quick.rotation, ...rotation } };
    return { fake, credential, ports: { ...stage.ports, policy, issuers: issuers(stage.ports.secrets, providers) } };
  };
  stage.sceneOf = (set) => ({
    ...set,
    async rotate(emergency = false) {
      const ask = { keyId: this.key.id, reason: 'A test', emergency };
      return (await startRotation(this.ports, stage.owner, ask)).id;
    },
    current: async () => (await stage.bot.getSecretValue({ SecretId: set.key.secretId! })).SecretString!,
  });
  return stage;
}

/** Outside calls of these kinds that fail like a machine that dies: at the given one, before or after it was made. */
export function dying(
  ports: Ports,
  mortal: { secrets?: readonly (keyof Secrets)[]; issuer: readonly (keyof Issuer)[] },
  at: number,
  moment: 'before' | 'after',
): { ports: Ports; calls(): number } {
  let calls = 0;
  const wrap = <T extends object>(target: T, methods: readonly (keyof T)[]): T =>
    new Proxy(target, {
      get(of, name, receiver) {
        const method: unknown = Reflect.get(of, name, receiver);
        if (typeof method !== 'function' || !methods.includes(name as keyof T)) return method;
        return async (...args: unknown[]) => {
          const mine = ++calls;
          if (mine === at && moment === 'before') throw new Error(`died before ${String(name)}`);
          const answer: unknown = await (method as (...all: unknown[]) => Promise<unknown>).apply(of, args);
          if (mine === at && moment === 'after') throw new Error(`died after ${String(name)}`);
          return answer;
        };
      },
    });
  const secrets = wrap<Secrets>(ports.secrets, mortal.secrets ?? []);
  const mortally = (issuer: Issuer | null) => issuer && wrap(issuer, mortal.issuer);
  const issuers: Ports['issuers'] = {
    ...ports.issuers,
    of: (name) => mortally(ports.issuers.of(name)),
    workingWith: (name, credential) => mortally(ports.issuers.workingWith(name, credential)),
  };
  return { ports: { ...ports, secrets, issuers }, calls: () => calls };
}
