import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { issuers } from '../../../src/adapters/providers/index.ts';
import { slackSignIn } from '../../../src/adapters/sign-in.ts';
import type { ApiKey } from '../../../src/inventory/model.ts';
import { appFromManifest, type LocalSlack, startLocalSlack } from '../../../src/local/slack/server.ts';
import type { Person } from '../../../src/people/model.ts';
import { policySchema } from '../../../src/policy.ts';
import type { Ports } from '../../../src/ports.ts';
import { handInOverHttp } from '../../../src/rotation/by-hand/http.ts';
import { openHandIn } from '../../../src/rotation/by-hand/open-hand-in.ts';
import type { Rotation } from '../../../src/rotation/model.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { tokenDialect } from '../../providers/fakes/github.ts';
import { fittingOf } from '../../providers/fakes/index.ts';
import { chance, type Fake, startFake } from '../../providers/fakes/server.ts';
import { aPerson, given } from '../../support/company.ts';
import { useWeb } from '../../support/web.ts';
import { quick, type Stage, useStage } from '../stage.ts';

/** A browser that runs nothing: it keeps cookies, follows what leads on, and can be looked into. */
export class Visitor {
  readonly cookies = new Map<string, string>();
  /** Every address that it was at, and every answer that it got. */
  readonly addresses: string[] = [];
  readonly seen: string[] = [];
  async ask(
    url: string,
    init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  ): Promise<{ status: number; headers: Headers; text: string }> {
    this.addresses.push(url);
    const origin = new URL(url).origin;
    const cookie = [...this.cookies].flatMap(([name, value]) => (name.startsWith(origin) ? [value] : [])).join('; ');
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: { 'sec-fetch-site': 'same-origin', ...(cookie ? { cookie } : {}), ...init.headers },
    });
    for (const each of response.headers.getSetCookie()) {
      const pair = each.split(';')[0]!;
      this.cookies.set(`${origin} ${pair.split('=')[0]!}`, pair);
    }
    const text = await response.text();
    this.seen.push(`${response.status} ${JSON.stringify([...response.headers])} ${text}`);
    return { status: response.status, headers: response.headers, text };
  }
  post(url: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
    return this.ask(url, { method: 'POST', body: new URLSearchParams(fields), headers });
  }
}

export interface HandInStage extends Stage {
  /** The same ports, with pages, sign-in, Anthropic and GitHub. */
  ports: Ports;
  slack: LocalSlack;
  anthropic: Fake;
  github: Fake;
  /** Where the pages are. */
  home: string;
  logged: string[];
  /** Somebody who is in Slack too. */
  someone(facts?: Partial<Person>): Promise<Person>;
  /** A rotation that waits for the owner: at Anthropic, at GitHub, or at a service that nobody talks to. */
  waiting(
    issuer?: 'anthropic' | 'github' | 'person',
    options?: { emergency?: boolean; owner?: Person; ports?: Ports; facts?: Partial<ApiKey> },
  ): Promise<{ key: ApiKey; version: string; id: Rotation['id']; old: string }>;
  /** A link for this person, as they get it from the card. */
  linkFor(person: Person, id: Rotation['id']): Promise<string>;
  /** From the link to the form, signed in as this person; answers where the browser has come to. */
  signIn(visitor: Visitor, link: string, person: Person): Promise<{ status: number; text: string; at: string }>;
  /** Types a value into the form and sends it; answers what is shown then. */
  handIn(visitor: Visitor, at: string, value: string): Promise<{ status: number; text: string }>;
}

export const aNewKey = () => `sk-ant-api03-${chance()}${chance()}`;
export const aNewToken = () => `ghp_${chance()}`;
const manifest = fileURLToPath(new URL('../../../manifest.yml', import.meta.url));
const client = { id: '100000000000.200000000000', secret: 'local-client-secret' };

export function useHandIn(): HandInStage {
  const stage = useStage() as HandInStage;
  const web = useWeb({ address: 10_000, caller: 10_000 });
  stage.logged = web.logged;
  const stops: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    stage.home = web.home;
    stage.slack = await startLocalSlack({
      workspace: { team: { id: 'T0HANDIN', name: 'Hand-in', domain: 'hand-in' }, users: [], channels: [] },
      app: appFromManifest(manifest, {
        botToken: 'xoxb-hand-in',
        appToken: 'xapp-hand-in',
        signingSecret: 'hand-in-signing-secret',
        client: { ...client, redirectUris: [`${stage.home}/hand-in/signed-in`] },
      }),
    });
    stops.push(() => stage.slack.close());
    const fitting = fittingOf('anthropic');
    stage.anthropic = await startFake(fitting.dialect());
    stage.github = await startFake(tokenDialect());
    for (const fake of [stage.anthropic, stage.github]) stops.push(() => fake.close());
    const credential = `keysteward/credential-${randomUUID()}`;
    await stage.bot.createSecret({ Name: credential, SecretString: stage.anthropic.world.admin });
    const { providers } = policySchema.parse({
      providers: {
        anthropic: fitting.settings(stage.anthropic.url, credential, 0),
        github: { kind: 'github-token', baseUrl: stage.github.url, propagationSeconds: 2 },
      },
    });
    stage.ports = {
      ...stage.ports,
      policy: { ...quick, providers },
      issuers: issuers(stage.ports.secrets, providers),
      signIn: slackSignIn({
        issuer: stage.slack.url,
        clientId: client.id,
        clientSecret: client.secret,
        teamId: 'T0HANDIN',
      }),
      address: (path) => stage.home + path,
    };
    handInOverHttp(web.door, stage.ports);
    for (const person of [stage.owner, stage.admin]) await inSlack(person);
  });
  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
  });

  const inSlack = ({ slackId, name }: Person) =>
    stage.slack.control.addUser({ id: slackId, name: name.toLowerCase().replace(/\W+/g, '-'), realName: name });
  stage.someone = async (facts = {}) => {
    const person = aPerson(facts);
    await given(stage.database.store, { people: [person] });
    await inSlack(person);
    return person;
  };
  stage.waiting = async (issuer = 'anthropic', { emergency = false, owner = stage.owner, ports, facts } = {}) => {
    const made = await stage.key({ service: 'Anthropic', issuer, recipe: null, ownerId: owner.id, ...facts });
    const old = issuer === 'github' ? aNewToken() : aNewKey();
    (issuer === 'github' ? stage.github : stage.anthropic).world.make('by hand', old);
    const { VersionId } = await stage.bot.putSecretValue({ SecretId: made.key.secretId!, SecretString: old });
    await stage.database.store.pool.query('update api_key set current_version = $2 where id = $1', [
      made.key.id,
      VersionId,
    ]);
    const ask = { keyId: made.key.id, reason: 'A test', emergency };
    const { id } = await startRotation(ports ?? stage.ports, owner, ask);
    await stage.work({ ports: ports ?? stage.ports });
    return { key: { ...made.key, currentVersion: VersionId! }, version: VersionId!, id, old };
  };
  stage.linkFor = async (person, id) => (await openHandIn(stage.ports, person, id)).url;
  stage.signIn = async (visitor, link, person) => {
    const door = await visitor.ask(link);
    if (door.status !== 200) return { ...door, at: link };
    const onTheWay = await visitor.post(`${link}/sign-in`, {});
    const toSlack = /content="0; url=([^"]+)"/.exec(onTheWay.text)?.[1]?.replaceAll('&amp;', '&');
    if (!toSlack) return { ...onTheWay, at: link };
    const back = await signInAtSlack(visitor, toSlack, person);
    const answer = await visitor.ask(back);
    const at = answer.headers.get('location');
    if (!at) return { ...answer, at: back };
    return { ...(await visitor.ask(stage.home + at)), at: stage.home + at };
  };
  stage.handIn = async (visitor, at, value) => {
    const { text } = await visitor.ask(at);
    const csrf = /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';
    const answer = await visitor.post(at, { csrf, value });
    return answer.status === 303 ? visitor.ask(stage.home + answer.headers.get('location')!) : answer;
  };
  return stage;
}

/** Says at Slack who they are; answers the address that Slack sends them back to. */
export async function signInAtSlack(
  visitor: Visitor,
  address: string,
  person: Pick<Person, 'slackId'>,
): Promise<string> {
  const { origin, searchParams } = new URL(address);
  await visitor.ask(address);
  const answer = await visitor.post(`${origin}/openid/connect/authorize`, {
    ...Object.fromEntries(searchParams),
    user: person.slackId,
  });
  return answer.headers.get('location')!;
}
