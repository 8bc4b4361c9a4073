import type { ApiKey } from '../../inventory/model.ts';
import { AskedTooOften, type Secret } from '../../kernel.ts';
import { entriesBy, type Policy } from '../../policy.ts';
import type { Issuer, Issuers, Secrets, Tried } from '../../ports.ts';
import { namesInWords } from '../../rotation/own-model.ts';
import { anthropic } from './anthropic.ts';
import { awsIam } from './aws-iam.ts';
import { awsManaged } from './aws-managed.ts';
import type { Means } from './call.ts';
import { cloudflare } from './cloudflare.ts';
import { credentials, fixed } from './credentials.ts';
import { datadog } from './datadog.ts';
import { githubDeployKey } from './github-deploy-key.ts';
import { githubToken } from './github-token.ts';
import { gitlab } from './gitlab.ts';
import { mistral } from './mistral.ts';
import { okta } from './okta.ts';
import { openai } from './openai.ts';
import { openaiAdmin } from './openai-admin.ts';
import { UnfitCredential } from './pair.ts';
import { person, whyImplausible } from './person.ts';
import { selfMade } from './self-made.ts';
import { sendgrid } from './sendgrid.ts';
import { slots, template } from './template.ts';
import { twilio } from './twilio.ts';

type Settings = Policy['providers'][string];

/** One entry of `providers` in policy.yml as the issuer that it describes. */
export function issuerFrom(name: string, settings: Settings, means: Means): Issuer {
  switch (settings.kind) {
    case 'openai':
      return openai(name, settings, means);
    case 'openai-admin':
      return openaiAdmin(name, settings, means);
    case 'sendgrid':
      return sendgrid(name, settings, means);
    case 'gitlab':
      return gitlab(name, settings, means);
    case 'anthropic':
      return anthropic(name, settings, means);
    case 'cloudflare':
      return cloudflare(name, settings, means);
    case 'datadog':
      return datadog(name, settings, means);
    case 'mistral':
      return mistral(name, settings, means);
    case 'twilio':
      return twilio(name, settings, means);
    case 'okta':
      return okta(name, settings, means);
    case 'aws-iam':
      return awsIam(name, settings, means);
    case 'github-deploy-key':
      return githubDeployKey(name, settings, means);
    case 'github-token':
      return githubToken(name, settings, means);
    case 'aws-managed':
      return awsManaged(name, settings);
    case 'http':
      return template(name, settings, means);
    case 'http-slots':
      return slots(name, settings, means);
  }
}

/**
 * Everyone who makes values for keys, by the name that a key's `issuer` has: ourselves, and whom policy.yml connects. They
 * share what is remembered of credentials, for which `now` is the clock.
 */
export function issuers(secrets: Secrets, providers: Policy['providers'] = {}, now?: () => number): Issuers {
  const means: Means = { secrets, credentials: credentials(secrets, now) };
  const connected = Object.entries(providers).map(([name, settings]) => issuerFrom(name, settings, means));
  const all = new Map<string, Issuer>([selfMade(secrets), ...connected].map((issuer) => [issuer.name, issuer]));
  return {
    of: (name) => (name === person.name ? person : (all.get(name) ?? null)),
    workingWith(name, credential) {
      const settings = Object.hasOwn(providers, name) ? providers[name] : undefined;
      return settings ? issuerFrom(name, settings, { ...means, credentials: fixed(credential) }) : null;
    },
    async tryAsCredential(key, value) {
      const entries = entriesBy(key, providers);
      const tried = await Promise.all(entries.map((name) => triedAt(name, providers[name]!, means, key, value)));
      const is = (verdict: Tried['verdict']) => tried.find((each) => each.verdict === verdict);
      const works: Tried = { verdict: 'works', evidence: `it may manage keys at ${namesInWords(entries)}` };
      return is('refused') ?? is('unclear') ?? works;
    },
    names: () => [...all.keys()],
    whyImplausible,
  };
}

/** Has the keys of this entry listed with exactly this value, which nobody can who may not manage them. */
async function triedAt(name: string, settings: Settings, means: Means, key: ApiKey, value: Secret): Promise<Tried> {
  const credentials = fixed(value);
  try {
    await issuerFrom(name, settings, { ...means, credentials }).list(key);
    return { verdict: 'works', evidence: '' };
  } catch (error) {
    if (error instanceof UnfitCredential) return { verdict: 'refused', evidence: error.message.replace(/\.$/, '') };
    // A limit is said by 403 as well, and says nothing of the value.
    const isRefused = credentials.wasTurnedDown() && !(error instanceof AskedTooOften);
    return isRefused
      ? { verdict: 'refused', evidence: `it may not manage keys at ${name}` }
      : { verdict: 'unclear', evidence: `${name} does not say whether it may manage keys there` };
  }
}
