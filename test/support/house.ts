import { fileURLToPath } from 'node:url';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import type { KnownBlock } from '@slack/types';
import { migrate, type Program, type Settings, startProgram } from '../../src/app.ts';
import { freePort } from '../../src/local/free-port.ts';
import { type LocalSecretsManager, startLocalSecretsManager } from '../../src/local/secrets-manager/server.ts';
import { seedAdministrators, seedCompany, seedWorkspace } from '../../src/local/seed.ts';
import type { OpenView, PageMessage, StateValues } from '../../src/local/slack/contract.ts';
import { appFromManifest, type LocalSlack, startLocalSlack } from '../../src/local/slack/server.ts';
import { defaultPolicy } from '../../src/policy.ts';

/** The whole program in this process, between a local Slack, a local Secrets Manager and the given Postgres (and Redis). */
export interface House {
  program: Program;
  slack: LocalSlack;
  aws: LocalSecretsManager;
  /** Secrets Manager as another AWS user sees it. */
  bot: SecretsManager;
  settings: Settings;
  /** Everything that was logged. */
  logged: string[];
  as(userId: string): Somebody;
  stop(): Promise<void>;
}

/** What one person does and sees in Slack. */
export interface Somebody {
  /** A slash command, as typed; by default in #platform. */
  type(text: string, channel?: string): Promise<{ ok: boolean; error?: string }>;
  /** Their DM with the app, oldest first. */
  dm(): PageMessage[];
  in(channel: string): PageMessage[];
  /** The modal on top, once it is there and no longer says that it is loading. */
  modal(): Promise<OpenView>;
  /** Sends the modal on top with these fields (and what it had initially). Answers the errors under the fields. */
  submit(fields: Record<string, unknown>): Promise<Record<string, string>>;
  /** Chooses an option in a modal's field, as a live field. */
  choose(field: string, value: unknown): Promise<void>;
  /** Presses the newest button with this action_id that they can see: in the modal, the DM, a channel or the Home. */
  press(actionId: string, where?: { channel?: string; value?: string }): Promise<void>;
  /** Chooses an option in a select that stands beside a text. */
  pick(actionId: string, option: { value: string; text: string }): Promise<void>;
  /** Options that a search field, or a select beside a text, offers. */
  search(field: string, query: string): Promise<{ value: string; text: string }[]>;
  shortcut(callbackId: string, message?: { channel: string; ts: string }): Promise<void>;
  home(): Promise<KnownBlock[]>;
  /** Waits until something that they can see in a channel, or their DM, fits. */
  sees(what: RegExp | string, channel?: string): Promise<PageMessage>;
}

export interface HouseOptions {
  databaseUrl: string;
  redisUrl?: string;
  mode?: 'http' | 'socket';
  roles?: Settings['roles'];
  seed?: boolean;
  settings?: Partial<Settings>;
}

export async function until<T>(
  what: () => T | Promise<T>,
  about: string | (() => string),
  ms = 60_000,
): Promise<NonNullable<Awaited<T>>> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await what();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${typeof about === 'string' ? about : about()}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

const textOf = (message: { text: string; blocks: KnownBlock[] }) =>
  `${message.text}\n${JSON.stringify(message.blocks)}`;

const blocksOf = (view: OpenView) => view.view.blocks as KnownBlock[];
const inputNamed = (view: OpenView, field: string) =>
  blocksOf(view).find((each) => each.type === 'input' && (each.element as { action_id?: string }).action_id === field);

interface Clickable {
  action_id: string;
  type: string;
  value?: string;
  block_id: string;
}
/** Every element that can be pressed, with the block that it is in. */
function clickables(blocks: readonly KnownBlock[]): Clickable[] {
  return blocks.flatMap((block) => {
    const elements =
      'elements' in block ? block.elements : 'accessory' in block && block.accessory ? [block.accessory] : [];
    return (elements as Partial<Clickable>[])
      .filter((each) => each.action_id !== undefined)
      .map((each) => ({ ...(each as Clickable), block_id: block.block_id ?? '' }));
  });
}

/** Field values in Slack's `state.values` form. Strings become text, or the option, user or date that the input takes. */
function stateOf(view: OpenView, fields: Record<string, unknown>): StateValues {
  const state: StateValues = {};
  for (const block of blocksOf(view)) {
    if (block.type !== 'input' || !('element' in block)) continue;
    const element = block.element as { type: string; action_id?: string; options?: { value: string; text: unknown }[] };
    const name = element.action_id ?? '';
    if (!(name in fields)) continue;
    const given = fields[name];
    const options = (element.options ?? []) as { value: string; text: unknown }[];
    const option = (value: unknown) =>
      options.find((each) => each.value === value) ?? {
        value: String(value),
        text: { type: 'plain_text', text: String(value) },
      };
    const value: Record<string, unknown> = { type: element.type };
    if (element.type === 'checkboxes' || element.type.startsWith('multi_'))
      value.selected_options = (given as unknown[]).map(option);
    else if (element.type.endsWith('_select') && element.type.startsWith('users')) value.selected_user = given;
    else if (element.type.includes('select') || element.type === 'radio_buttons')
      value.selected_option = given === null ? null : option(given);
    else if (element.type === 'datepicker') value.selected_date = given;
    else if (element.type === 'datetimepicker') value.selected_date_time = given;
    else value.value = given;
    state[block.block_id ?? ''] = { [name]: value };
  }
  return state;
}

export async function openHouse(options: HouseOptions): Promise<House> {
  const logged: string[] = [];
  const aws = await startLocalSecretsManager();
  const secrets = { botToken: 'xoxb-house', appToken: 'xapp-house', signingSecret: 'house-signing-secret' };
  const port = await freePort();
  const socket = options.mode === 'socket';
  const slack = await startLocalSlack({
    workspace: seedWorkspace,
    app: appFromManifest(fileURLToPath(new URL('../../manifest.yml', import.meta.url)), {
      ...secrets,
      ...(socket ? {} : { requestUrl: `http://127.0.0.1:${port}/slack/events` }),
    }),
  });
  const settings: Settings = {
    roles: options.roles ?? { bot: true, worker: true },
    databaseUrl: options.databaseUrl,
    queueHome: options.redisUrl ? { redisUrl: options.redisUrl } : { databaseUrl: options.databaseUrl },
    slack: {
      botToken: secrets.botToken,
      apiUrl: `${slack.url}/api/`,
      mode: socket
        ? { kind: 'socket', appToken: secrets.appToken }
        : { kind: 'http', signingSecret: secrets.signingSecret },
    },
    aws: { region: aws.region, endpoint: aws.url, credentials: aws.credentials },
    cloudTrail: { region: aws.region, endpoint: aws.url, credentials: aws.credentials },
    hrWebhookSecrets: [`whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`],
    pager: { url: 'http://127.0.0.1:9' },
    administrators: seedAdministrators,
    policy: { ...defaultPolicy, rotation: { ...defaultPolicy.rotation, graceMinutes: 0, settleSeconds: 2 } },
    port,
    host: '127.0.0.1',
    publicUrl: null,
    leaseMs: 10_000,
    log: (level, message, facts) => void logged.push(`${level} ${message} ${facts ? JSON.stringify(facts) : ''}`),
    ...options.settings,
  };
  await migrate(settings);
  const program = await startProgram(settings);
  if (options.seed !== false) await seedCompany(program.ports, settings.administrators);
  const bot = new SecretsManager({ region: aws.region, endpoint: aws.url, credentials: aws.credentials });
  return {
    program,
    slack,
    aws,
    bot,
    settings,
    logged,
    as: (userId) => somebody(slack, userId),
    async stop() {
      bot.destroy();
      await program.stop();
      await slack.close();
      await aws.close();
    },
  };
}

function somebody(slack: LocalSlack, me: string): Somebody {
  const { control } = slack;
  const act = async (what: Record<string, unknown>) => {
    const result = await control.act({ as: me, ...what } as never);
    if (!result.ok && !result.errors) throw new Error(`${JSON.stringify(what).slice(0, 200)}: ${result.error}`);
    return result;
  };
  const dmChannel = () => control.state(me).channels.find((each) => each.withApp)?.id;
  const messagesIn = (channel: string | undefined) => (channel ? control.messages(me, channel) : []);
  const top = () => control.state(me).views.at(-1);
  const self: Somebody = {
    async type(text, channel = 'C0PLATFORM') {
      // A person closes what is still open before they can type.
      for (let view = top(); view; view = top()) await control.act({ kind: 'close', as: me, view: view.id });
      const result = await control.act({ kind: 'command', as: me, channel, text });
      return result.ok ? { ok: true } : { ok: false, error: result.error };
    },
    dm: () => messagesIn(dmChannel()),
    in: (channel) => messagesIn(channel),
    modal: () =>
      until(() => {
        const view = top();
        return view && !JSON.stringify(view.view.blocks).includes('One moment') ? view : undefined;
      }, `a modal for ${me}`),
    async submit(fields) {
      const view = await self.modal();
      const result = await control.act({ kind: 'submit', as: me, view: view.id, state: stateOf(view, fields) });
      if (!result.ok && !result.errors) throw new Error(`submit: ${result.error}`);
      return result.errors ?? {};
    },
    async choose(field, value) {
      const view = await self.modal();
      const block = inputNamed(view, field);
      if (!block) throw new Error(`the modal has no field ${field}`);
      const state = stateOf(view, { [field]: value });
      const chosen = state[block.block_id ?? '']![field] as Record<string, unknown>;
      await act({
        kind: 'action',
        from: { view: view.id },
        action: { ...chosen, action_id: field, block_id: block.block_id },
        state,
      });
    },
    async press(actionId, { channel, value } = {}) {
      const fits = (each: Clickable) =>
        each.action_id.split(':')[0] === actionId && (value === undefined || each.value === value);
      const found = await until(() => {
        const view = top();
        if (!channel && view) {
          const element = clickables(blocksOf(view)).find(fits);
          if (element) return { from: { view: view.id }, element };
        }
        const channels = channel ? [channel] : [dmChannel(), ...control.state(me).channels.map((each) => each.id)];
        for (const id of channels) {
          for (const message of messagesIn(id).toReversed()) {
            const element = clickables(message.blocks).find(fits);
            if (element) return { from: { channel: id!, ts: message.ts, ephemeral: message.ephemeral }, element };
          }
        }
        const { home } = control.state(me);
        const element = home && clickables(blocksOf(home)).find(fits);
        return element ? { from: { view: home.id }, element } : undefined;
      }, `a button ${actionId} that ${me} can press`);
      const { element, from } = found;
      await act({ kind: 'action', from, action: { ...element }, state: {} });
    },
    async pick(actionId, { value, text }) {
      const view = await self.modal();
      const element = clickables(blocksOf(view)).find((each) => each.action_id === actionId);
      if (!element) throw new Error(`the modal has nothing called ${actionId}`);
      const { type, block_id } = element;
      const selected_option = { value, text: { type: 'plain_text', text } };
      const action = { type, action_id: actionId, block_id, selected_option };
      await act({ kind: 'action', from: { view: view.id }, action, state: {} });
    },
    async search(field, query) {
      const view = await self.modal();
      const block = inputNamed(view, field) ?? clickables(blocksOf(view)).find((each) => each.action_id === field);
      const result = await act({
        kind: 'suggest',
        from: { view: view.id },
        actionId: field,
        blockId: block?.block_id ?? '',
        value: query,
      });
      const options = (result.ok ? result.options : []) as { value: string; text: { text: string } }[];
      return options.map((each) => ({ value: each.value, text: each.text.text }));
    },
    async shortcut(callbackId, message) {
      await act({ kind: 'shortcut', callbackId, ...(message ? { message } : {}) });
    },
    async home() {
      await act({ kind: 'openHome' });
      return (await until(() => control.state(me).home, `the Home of ${me}`)).view.blocks as KnownBlock[];
    },
    sees: (what, channel) =>
      until(
        () =>
          (channel
            ? messagesIn(channel)
            : [...self.dm(), ...control.state(me).channels.flatMap((each) => messagesIn(each.id))]
          ).findLast((each) => (typeof what === 'string' ? textOf(each).includes(what) : what.test(textOf(each)))),
        `${me} seeing ${String(what)}${channel ? ` in ${channel}` : ''}`,
      ),
  };
  return self;
}
