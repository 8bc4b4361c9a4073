import type { KnownBlock, View as ModalView } from '@slack/types';
import { block, cut, type Message, md, page, typed } from '../../blocks.ts';
import { type Answer, toldOf } from '../../doors.ts';
import { Refusal, refuseIf } from '../../kernel.ts';
import { type Action, type Person, whyNot } from '../../people/model.ts';
import type { DirectoryEntry, Store } from '../../ports.ts';
import { type SlackClients, slackError } from './clients.ts';
import { entryOf, type SlackUser } from './directory.ts';
import {
  asMessage,
  asPage,
  fieldErrors,
  helpFor,
  nearestVerb,
  type Registry,
  sayRefusal,
  sayTrouble,
  underField,
} from './door.ts';
import { contextOf, fieldsOf, keptOf, type SlackAction, type SlackBody, senderOf, unescaped } from './payload.ts';
import { postJson } from './post.ts';

export interface HandleParts {
  registry: Registry;
  store: Store;
  clients: SlackClients;
  teamId: string;
  /** The person behind a Slack user: known, or met now. Throws a Refusal for those who may not be here. */
  personOf: (slackId: string) => Promise<Person>;
  /** Slack says that somebody changed or joined. */
  meet: (entry: DirectoryEntry) => Promise<unknown>;
  /** Slack says that a user group is new, or that something about it is. */
  teamChanged: (news: { slackId: string; membersOnly: boolean }) => Promise<unknown>;
  commandName: string;
  log: (level: 'info' | 'warn' | 'error', message: string, facts?: Record<string, unknown>) => void;
}

/** How to acknowledge a delivery. A delivery that is handled late, after a crash, has nobody who waits. */
export type Ack = ((answer?: unknown) => Promise<void>) | null;

/** Slack waits three seconds; what takes longer is acknowledged first and answered in the modal afterwards. */
const submitPatienceMs = 2_000;

const loading = (title: string): ModalView => page(title, [block.text(md`:hourglass_flowing_sand: One moment…`)]);

/** Deals with one delivery, whatever it is. Never throws for what a person did; throws when Slack should deliver again. */
export function handler(parts: HandleParts): (body: SlackBody, ack: Ack) => Promise<void> {
  const { registry, store, clients, log } = parts;

  async function respond(url: string, message: Message, replace = false): Promise<void> {
    const { text, blocks } = message;
    const status = await postJson(url, { response_type: 'ephemeral', replace_original: replace, text, blocks }, 5_000);
    if (status < 200 || status > 299) throw new Error(`Slack answered ${status} to a reply`);
  }

  /** Says something to one person, by the best way that this delivery leaves open. */
  async function tell(body: SlackBody, message: Message, modal: string | null, replace = false): Promise<void> {
    if (modal) {
      await clients.interactive.views.update({ view_id: modal, view: asPage('Keysteward', message) });
    } else if (body.response_url) {
      await respond(body.response_url, message, replace);
    } else if (body.trigger_id) {
      const view = asPage('Keysteward', message);
      await (body.view?.type === 'modal'
        ? clients.interactive.views.push({ trigger_id: body.trigger_id, view })
        : clients.interactive.views.open({ trigger_id: body.trigger_id, view }));
    }
  }

  /** The same, for somebody whose click or command was found again after a crash. */
  async function tellLate(body: SlackBody, message: Message): Promise<void> {
    const userId = senderOf(body)?.userId;
    if (userId) await clients.bulk.chat.postMessage({ channel: userId, text: message.text, blocks: message.blocks });
  }

  const told = (refusal: Refusal, body: SlackBody) => toldOf(store, refusal, senderOf(body)?.userId ?? null);
  async function sayRefused(refusal: Refusal, body: SlackBody): Promise<Message> {
    const { why, ask } = await told(refusal, body);
    return sayRefusal(`${why} ${ask}`.trim());
  }

  async function refuseSender(body: SlackBody, refusal: Refusal): Promise<void> {
    const sender = senderOf(body);
    await store.refused(
      {
        actor: { kind: 'slack-user', id: sender?.userId ?? 'unknown' },
        action: 'slack.enter',
        subject: body.command ?? body.type ?? 'slack',
      },
      refusal,
    );
  }

  async function enter(body: SlackBody): Promise<Person> {
    const sender = senderOf(body);
    if (!sender) throw new Refusal('invalid', 'Slack did not say who you are. Try again.');
    if (sender.teamId !== parts.teamId || sender.homeTeamId !== parts.teamId) {
      throw new Refusal('not_allowed', 'Keysteward works only for members of its own workspace.');
    }
    const person = await parts.personOf(sender.userId);
    refuseIf(whyNot(person, 'help.read'));
    return person;
  }

  /** Somebody typed a key. What it was is known to nobody; that it happened is on record. */
  async function onPasted(body: SlackBody): Promise<void> {
    const sender = senderOf(body);
    const person = await enter(body).catch((error: unknown) => {
      if (error instanceof Refusal) return null;
      throw error;
    });
    const actor = person
      ? ({ kind: 'person', id: person.id } as const)
      : ({ kind: 'slack-user', id: sender?.userId ?? 'unknown' } as const);
    const fields = body.pasted!.map((each) => cut(each, 80)).join(', ');
    await store.refused(
      { actor, action: 'slack.paste', subject: body.command ?? body.view?.callback_id ?? body.type ?? 'slack' },
      new Refusal('invalid', `What looks like a whole key was typed into: ${fields}. It was not kept.`),
    );
  }

  async function allow(person: Person, action: Action, subject: string): Promise<void> {
    const refusal = whyNot(person, action);
    if (!refusal) return;
    await store.refused({ actor: { kind: 'person', id: person.id }, action, subject }, refusal);
    throw refusal;
  }

  /** Runs what an area registered. Whoever is told that they may not is on record, wherever that was found. */
  async function asked(person: Person, action: string, subject: string, run: () => Promise<Answer>): Promise<Answer> {
    return run().catch(async (error: unknown) => {
      if (error instanceof Refusal && error.code === 'not_allowed')
        await store.refused({ actor: { kind: 'person', id: person.id }, action, subject: cut(subject, 200) }, error);
      throw error;
    });
  }

  /** Runs what an area registered and carries its answer back; opens the modal first where one was promised. */
  async function carry(
    body: SlackBody,
    ack: Ack,
    opens: string | undefined,
    run: () => Promise<Answer>,
  ): Promise<void> {
    let modal: string | null = null;
    try {
      if (ack && opens && body.trigger_id) {
        const call = body.view?.type === 'modal' ? clients.interactive.views.push : clients.interactive.views.open;
        const opened = await call({ trigger_id: body.trigger_id, view: loading(opens) });
        modal = opened.view?.id ?? null;
      }
    } catch (error) {
      if (!['expired_trigger_id', 'exchanged_trigger_id', 'trigger_exchanged'].includes(slackError(error) ?? ''))
        throw error;
      const again = body.command
        ? md`Run \`${typed(`${body.command} ${unescaped(body.text ?? '')}`, 150)}\` again.`
        : md`Click again.`;
      await tell(
        { ...body, trigger_id: undefined as never },
        {
          text: 'That took too long',
          blocks: [block.text(md`:hourglass: Slack took too long to let us open a window. Nothing was lost. ${again}`)],
        },
        null,
      );
      return;
    }
    const answer = await run().catch(async (error: unknown): Promise<Answer> => {
      if (!modal) throw error;
      if (error instanceof Refusal) return { update: asPage('Keysteward', await sayRefused(error, body)) };
      return { update: asPage('Keysteward', sayTrouble(trouble(error, body))) };
    });
    if (!ack) {
      if ('say' in answer) await tellLate(body, asMessage(answer.say));
      else if ('open' in answer || 'update' in answer) {
        await tellLate(body, {
          text: 'Please try again',
          blocks: [
            block.text(md`:hourglass: We were interrupted before we could open a window for you. Please try again.`),
          ],
        });
      }
      return;
    }
    if ('open' in answer) {
      if (modal) await clients.interactive.views.update({ view_id: modal, view: answer.open });
      else if (body.view?.type === 'modal')
        await clients.interactive.views.push({ trigger_id: body.trigger_id!, view: answer.open });
      else await clients.interactive.views.open({ trigger_id: body.trigger_id!, view: answer.open });
    } else if ('update' in answer) {
      const below = body.view?.type === 'modal' ? body.view.id : null;
      // Pressed where there is no window to replace, it gets one.
      if (modal ?? below) await clients.interactive.views.update({ view_id: (modal ?? below)!, view: answer.update });
      else await clients.interactive.views.open({ trigger_id: body.trigger_id!, view: answer.update });
    } else if ('replace' in answer) {
      await tell(body, answer.replace, modal, true);
    } else if ('say' in answer) {
      await tell(body, asMessage(answer.say), modal);
    } else if (modal) {
      await tell(body, { text: 'Done', blocks: [block.text(md`:white_check_mark: Done.`)] }, modal);
    }
    if (body.view?.type === 'home') await publishHome(senderOf(body)!.userId);
  }

  async function publishHome(slackId: string): Promise<void> {
    const person = await parts.personOf(slackId);
    const sections = await store.read(async (view) => {
      const rendered: KnownBlock[][] = [];
      for (const render of registry.home) rendered.push(await render(view, person));
      return rendered;
    });
    const blocks = sections
      .filter((each) => each.length > 0)
      .flatMap((each, i) => (i > 0 ? [block.line(), ...each] : each));
    await showHome(slackId, blocks);
  }

  async function showHome(slackId: string, blocks: KnownBlock[]): Promise<void> {
    await clients.interactive.views.publish({ user_id: slackId, view: { type: 'home', blocks: blocks.slice(0, 100) } });
  }

  async function onCommand(body: SlackBody, ack: Ack): Promise<void> {
    await ack?.();
    const person = await enter(body);
    const [, verb = '', rest = ''] = /^\s*(\S*)\s*([\s\S]*?)\s*$/.exec(unescaped(body.text ?? '')) ?? [];
    const name = verb.toLowerCase();
    const command = registry.commands.get(name);
    if (!command) {
      const help = helpFor(registry, person, parts.commandName);
      if (name && name !== 'help') {
        const near = nearestVerb(registry, name);
        const hint = near ? md` Did you mean \`${typed(`${parts.commandName} ${near}`)}\`?` : md``;
        help.blocks.unshift(block.text(md`There is no \`${typed(`${parts.commandName} ${verb}`, 60)}\`.${hint}`));
      }
      await (ack ? tell(body, help, null) : tellLate(body, help));
      return;
    }
    await allow(person, command.action, name);
    await carry(body, ack, command.opens, () =>
      asked(person, command.action, name, () => command.run({ person, channel: body.channel_id ?? null, text: rest })),
    );
  }

  const chosen = (action: SlackAction) => action.selected_option?.value ?? action.selected_user ?? action.value ?? '';

  async function onAction(body: SlackBody, ack: Ack): Promise<void> {
    await ack?.();
    const person = await enter(body);
    for (const action of body.actions ?? []) {
      // Several buttons of one kind in one message need different action ids; what follows a colon tells them apart.
      const name = action.action_id.split(':')[0]!;
      const spec = registry.actions.get(name);
      if (!spec) {
        // Links and inputs that nobody listens to.
        if (action.type === 'button' && action.value !== undefined)
          log('warn', `nobody answers the button ${action.action_id}`);
        continue;
      }
      const channel = body.channel?.id ?? body.container?.channel_id ?? null;
      const ts = body.message?.ts ?? body.container?.message_ts;
      const value = chosen(action);
      await carry(body, ack, spec.opens, () =>
        asked(person, name, value || name, () =>
          spec.run({
            person,
            channel,
            value,
            fields: fieldsOf(body.view).fields,
            context: contextOf(body.view),
            message: channel && ts ? { channel, ts } : null,
          }),
        ),
      );
    }
  }

  async function onShortcut(body: SlackBody, ack: Ack): Promise<void> {
    await ack?.();
    const person = await enter(body);
    const spec = registry.shortcuts.get(body.callback_id ?? '');
    if (!spec) return log('warn', `nobody answers the shortcut ${body.callback_id}`);
    const message = body.channel && body.message ? { channel: body.channel.id, ts: body.message.ts } : null;
    await carry(body, ack, spec.opens, () => spec.run({ person, channel: body.channel?.id ?? null, message }));
  }

  async function onSubmit(body: SlackBody, ack: Ack): Promise<void> {
    const view = body.view!;
    const { fields, blockOf } = fieldsOf(view);
    let late = ack === null;
    /** Answers in the acknowledgement while Slack still waits for it, else in the modal itself. */
    const finish = async (inAck: unknown, afterwards: () => Promise<unknown>) => {
      if (late) await afterwards();
      else await ack!(inAck);
    };
    const show = (message: Message) =>
      finish({ response_action: 'update', view: asPage('Keysteward', message) }, () =>
        ack
          ? clients.interactive.views.update({ view_id: view.id, view: asPage('Keysteward', message) })
          : tellLate(body, message),
      );
    const underFields = (errors: Record<string, string>, ask = '') => {
      const plain = Object.entries(errors).map(([field, why]) => [field, underField(why, ask)]);
      return finish({ response_action: 'errors', errors: Object.fromEntries(plain) }, () => {
        const whys = Object.values(errors).map((why) => `${why} ${ask}`.trim());
        return show({ text: 'Not saved', blocks: whys.flatMap((why) => sayRefusal(why).blocks) });
      });
    };

    const timer = setTimeout(() => {
      if (late) return;
      late = true;
      void ack!({ response_action: 'update', view: loading('Keysteward') }).catch(() => {});
    }, submitPatienceMs);
    let entered = false;
    try {
      const person = await enter(body);
      entered = true;
      const form = registry.forms.get(view.callback_id);
      if (!form)
        return await show({
          text: 'This form is gone',
          blocks: [block.text(md`This form is no longer in use. Start again with \`${typed(parts.commandName)}\`.`)],
        });
      const parsed = form.schema.safeParse({ ...contextOf(view), ...fields });
      if (!parsed.success) return await underFields(fieldErrors(parsed.error, blockOf));
      const answer = await asked(person, view.callback_id, view.callback_id, () =>
        form.run({ person, channel: null, form: parsed.data }),
      );
      if ('say' in answer) await show(asMessage(answer.say));
      else if ('update' in answer || 'open' in answer) {
        const next = 'update' in answer ? answer.update : answer.open;
        await finish({ response_action: 'update', view: next }, () =>
          clients.interactive.views.update({ view_id: view.id, view: next }),
        );
      } else
        await finish({ response_action: 'clear' }, () =>
          show({ text: 'Done', blocks: [block.text(md`:white_check_mark: Done.`)] }),
        );
    } catch (error) {
      if (!(error instanceof Refusal)) {
        await show(sayTrouble(trouble(error, body)));
        throw error;
      }
      if (!entered) await refuseSender(body, error);
      const block_ = error.field ? blockOf[error.field] : undefined;
      // The form stays, with what was typed: there is always a field to put the sentence under.
      const where = block_ ?? Object.values(blockOf)[0];
      if (!entered || !where) return await show(await sayRefused(error, body));
      const { why, ask } = await told(error, body);
      await underFields({ [where]: why }, ask);
    } finally {
      clearTimeout(timer);
    }
  }

  async function onEvent(body: SlackBody): Promise<void> {
    const event = body.event!;
    if (event.type === 'app_home_opened' && event.tab !== 'messages') {
      const slackId = event.user as string;
      const refusal = await enter(body).then(
        () => null,
        (error: unknown) => {
          if (error instanceof Refusal) return error;
          throw error;
        },
      );
      if (!refusal) return publishHome(slackId);
      await refuseSender(body, refusal);
      // What was shown to them while they were here must not stay.
      if (senderOf(body)?.teamId === parts.teamId) await showHome(slackId, sayRefusal(refusal.sentence).blocks);
    } else if (event.type === 'user_change' || event.type === 'team_join') {
      await parts.meet(entryOf(event.user as SlackUser));
    } else if (event.type === 'subteam_members_changed') {
      await parts.teamChanged({ slackId: event.subteam_id ?? '', membersOnly: true });
    } else if (event.type === 'subteam_created' || event.type === 'subteam_updated') {
      await parts.teamChanged({ slackId: event.subteam?.id ?? '', membersOnly: false });
    }
  }

  /** Logs what nobody foresaw under a number that the person is shown. */
  function trouble(error: unknown, body: SlackBody): string {
    const errorId = crypto.randomUUID().slice(0, 8);
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    log('error', `${body.command ?? body.type} failed: ${said}`, {
      errorId,
      slackError: slackError(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    return errorId;
  }

  return async (delivery, ack) => {
    const { response_url, pasted } = delivery;
    const body: SlackBody = {
      ...keptOf(delivery),
      ...(response_url ? { response_url } : {}),
      ...(pasted ? { pasted } : {}),
    };
    try {
      if (body.pasted) return await onPasted(body);
      if (body.type === 'event_callback') return await onEvent(body);
      if (body.type === 'block_suggestion') return await onSuggestion(body, ack);
      if (body.type === 'view_submission') return await onSubmit(body, ack);
      if (body.type === 'view_closed') return await ack?.();
      if (body.command) return await onCommand(body, ack);
      if (body.type === 'block_actions') return await onAction(body, ack);
      if (body.type === 'shortcut' || body.type === 'message_action') return await onShortcut(body, ack);
      log('warn', `Slack sent something unknown: ${body.type}`);
      await ack?.();
    } catch (error) {
      if (error instanceof Refusal) {
        if (error.code === 'not_allowed' && !(await knownSender(body))) await refuseSender(body, error);
        if (body.type === 'event_callback') return;
        const said = await sayRefused(error, body);
        await (ack ? tell(body, said, null) : tellLate(body, said));
        return;
      }
      if (body.type !== 'view_submission') {
        const errorId = trouble(error, body);
        if (body.type !== 'event_callback' && ack) await tell(body, sayTrouble(errorId), null).catch(() => {});
      }
      throw error;
    }
  };

  async function knownSender(body: SlackBody): Promise<boolean> {
    return enter(body).then(
      () => true,
      () => false,
    );
  }

  async function onSuggestion(body: SlackBody, ack: Ack): Promise<void> {
    const person = await enter(body);
    const suggest = registry.suggestions.get(body.action_id ?? '');
    const options = suggest ? await suggest({ person, query: (body.value ?? '').slice(0, 200) }) : [];
    await ack?.({ options: options.slice(0, 100) });
  }
}
