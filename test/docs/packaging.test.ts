import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { contentOf, isThere } from '../support/repository.ts';

/** A tag that says at least the major version, and never one that moves to whatever is newest. */
const pinnedImage = /^[\w./-]+:\d[\w.-]*$/;

interface Instruction {
  name: string;
  rest: string;
}
const dockerfile: Instruction[] = contentOf('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter(Boolean)
  .map((line) => ({ name: line.split(' ')[0]!, rest: line.slice(line.indexOf(' ') + 1) }));
const all = (name: string) => dockerfile.filter((each) => each.name === name).map((each) => each.rest);

describe('the image', () => {
  const last = dockerfile.slice(dockerfile.findLastIndex((each) => each.name === 'FROM'));

  it('is built in stages on a pinned Node 24', () => {
    const images = all('FROM').map((rest) => rest.split(' ')[0]!);
    expect(images.length).toBeGreaterThan(1);
    for (const image of images) expect(image).toMatch(/^node:24[\w.-]*$/);
  });

  it('runs as an ordinary user, and nothing follows that would need another', () => {
    const users = last.filter((each) => each.name === 'USER').map((each) => each.rest);
    expect(users).toEqual(['node']);
    const after = last.slice(last.findIndex((each) => each.name === 'USER')).map((each) => each.name);
    expect(after).not.toContain('RUN');
    expect(after).not.toContain('COPY');
  });

  it('starts programs without a shell, so that signals reach them', () => {
    const started = [...all('CMD'), ...all('ENTRYPOINT'), ...all('RUN'), ...all('HEALTHCHECK')].map((rest) =>
      rest.replace(/^(--\S+\s+)*(CMD\s+)?/, ''),
    );
    expect(started.length).toBeGreaterThan(4);
    for (const each of started) expect(JSON.parse(each)).toEqual(expect.arrayContaining([expect.any(String)]));
  });

  it('carries only what production needs, from the lock file', () => {
    expect(all('RUN').map((rest) => JSON.parse(rest))).toContainEqual(['npm', 'ci', '--omit=dev', '--omit=optional']);
    const copied = last.filter((each) => each.name === 'COPY' && !each.rest.startsWith('--from'));
    const sources = copied.flatMap((each) => each.rest.split(' ').slice(0, -1));
    expect(sources).toContain('migrations');
    const admitted = contentOf('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    for (const source of [
      ...sources,
      ...all('COPY')
        .filter((rest) => !rest.startsWith('--'))
        .flatMap((rest) => rest.split(' ').slice(0, -1)),
    ]) {
      expect(isThere(source), source).toBe(true);
      expect(admitted, source).toContain(source.replace(/^\.\//, ''));
    }
    expect(contentOf('.dockerignore').split('\n')).toContain('*');
    expect(admitted.filter((each) => each.startsWith('.env'))).toEqual([]);
  });

  it('is healthy when the program says that it lives', () => {
    expect(all('HEALTHCHECK').join()).toContain('/livez');
  });
});

interface Service {
  build?: string;
  image: string;
  command?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test?: string[] };
  environment?: Record<string, string>;
  ports?: string[];
  read_only?: boolean;
  cap_drop?: string[];
}

describe('compose.yml', () => {
  const { services } = parse(contentOf('compose.yml'), { merge: true }) as { services: Record<string, Service> };

  it('has everything the product stands on, each image pinned', () => {
    expect(Object.keys(services).sort()).toEqual(['bot', 'migrate', 'postgres', 'redis', 'secrets-manager', 'worker']);
    for (const { image, build } of Object.values(services)) if (!build) expect(image).toMatch(pinnedImage);
  });

  it('migrates before anything serves, and waits for what is really there', () => {
    for (const role of ['bot', 'worker']) {
      expect(services[role]!.command).toEqual([role]);
      expect(services[role]!.depends_on!.migrate!.condition).toBe('service_completed_successfully');
    }
    for (const service of Object.values(services)) {
      for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(Object.keys(services)).toContain(name);
        if (condition === 'service_healthy') expect(services[name]!.healthcheck?.test?.[0]).toBe('CMD');
      }
    }
  });

  it('gives the product no rights it does not use, and opens no port to the network', () => {
    for (const role of ['bot', 'worker', 'migrate']) {
      expect(services[role]).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    }
    for (const { ports = [] } of Object.values(services))
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });
});

describe('the workflow', () => {
  const text = contentOf('.github/workflows/check.yml');
  const { permissions, jobs } = parse(text) as {
    permissions: Record<string, string>;
    jobs: Record<string, { permissions: Record<string, string>; steps: { uses?: string; run?: string }[] }>;
  };
  const steps = Object.values(jobs).flatMap((job) => job.steps);

  it('checks what .ci/run checks', () => {
    expect(steps.map((step) => step.run)).toContain('bash .ci/run');
    expect(contentOf('.ci/run')).toContain('npm run --silent check');
    expect(contentOf('.ci/run')).toContain('npm test');
  });

  it('uses actions by their commit, and may only read', () => {
    for (const { uses } of steps) if (uses) expect(uses).toMatch(/@[0-9a-f]{40}$/);
    expect(permissions).toEqual({});
    for (const job of Object.values(jobs)) expect(job.permissions).toEqual({ contents: 'read' });
    expect(text).not.toContain('pull_request_target');
    expect(text).not.toContain('secrets.');
  });
});

describe('the licence', () => {
  it('is the Apache License 2.0, whole', () => {
    // https://www.apache.org/licenses/LICENSE-2.0.txt
    expect(createHash('sha256').update(contentOf('LICENSE')).digest('hex')).toBe(
      'cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30',
    );
    expect(JSON.parse(contentOf('package.json'))).toMatchObject({ license: 'Apache-2.0' });
  });
});

describe('the AWS role in the documentation', () => {
  it('may do exactly what the program does at Secrets Manager, and opens no secret to the public', () => {
    const [, json] = /```json\n([\s\S]*?)```/.exec(contentOf('docs/how-to/connect-aws.md'))!;
    const { Statement } = JSON.parse(json!) as {
      Statement: { Effect: string; Action: string | string[]; Resource: string; Condition?: object }[];
    };
    const used = [...contentOf('src/adapters/secrets-manager.ts').matchAll(/\bsdk\.(\w+)Command\b/g)].map(
      ([, operation]) => `secretsmanager:${operation}`,
    );
    expect(used.length).toBeGreaterThan(5);
    expect(Statement.flatMap((each) => each.Action).sort()).toEqual([...new Set(used)].sort());
    const open = Statement.filter((each) => each.Resource === '*').flatMap((each) => each.Action);
    expect(open).toEqual(['secretsmanager:GetRandomPassword']);
    const policies = Statement.find((each) => [each.Action].flat().includes('secretsmanager:PutResourcePolicy'));
    expect(policies!.Condition).toEqual({ Bool: { 'secretsmanager:BlockPublicPolicy': 'true' } });
  });

  it('may do at CloudTrail what the program does there by one statement more, for whoever wants that', () => {
    const more = [...contentOf('docs/how-to/connect-aws.md').matchAll(/```json\n([\s\S]*?)```/g)].slice(1);
    const asked = [...contentOf('src/adapters/cloudtrail.ts').matchAll(/\bsdk\.(\w+)Command\b/g)];
    expect(more.map(([, statement]) => (JSON.parse(statement!) as { Action: string }).Action)).toEqual([
      ...new Set(asked.map(([, operation]) => `cloudtrail:${operation}`)),
    ]);
    expect(more).toHaveLength(1);
  });
});
