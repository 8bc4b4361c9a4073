import type { ActResult, StateValues } from './contract.ts';
import { deliver } from './deliver.ts';
import { stateOf, whyNotSend } from './inputs.ts';
import * as payloads from './payloads.ts';
import { SlackError } from './slack-error.ts';
import { acceptedView, closeViews, pushView, replaceView, topView } from './views.ts';
import type { LocalUser, LocalView } from './workspace.ts';
import { newTrigger, type World } from './world.ts';

type ViewAnswer = { response_action?: string; errors?: Record<string, string>; view?: unknown };

/** Sends a modal, when its inputs allow, and does what the app answers. */
export async function sendForm(world: World, user: LocalUser, view: LocalView, said: StateValues): Promise<ActResult> {
  if (topView(world, user.id) !== view) throw new SlackError('not_found');
  view.state = stateOf(view.view.blocks, { ...view.state, ...said });
  const missing = whyNotSend(view.view.blocks, view.state);
  if (Object.keys(missing).length > 0) return showErrors(world, view, missing, 'missing_required');
  const payload = payloads.viewSubmission(world, user, view, newTrigger(world, user.id, view.id));
  const outcome = await deliver(world, 'interactive', 'view_submission', payload);
  if (!outcome.ok) return { ok: false, error: outcome.error };
  const answer = (typeof outcome.body === 'object' && outcome.body !== null ? outcome.body : {}) as ViewAnswer;
  return follow(world, user, view, answer);
}

function showErrors(world: World, view: LocalView, errors: Record<string, string>, error?: string): ActResult {
  view.errors = errors;
  world.workspace.changed({ type: 'views', user: view.user });
  return error ? { ok: false, error, errors } : { ok: true, errors };
}

function follow(world: World, user: LocalUser, view: LocalView, answer: ViewAnswer): ActResult {
  switch (answer.response_action) {
    case undefined:
      // The app may have closed or changed the view by itself meanwhile.
      if (topView(world, user.id) === view) closeViews(world, user.id, false);
      return { ok: true };
    case 'errors': {
      const inputs = view.view.blocks.filter((block) => block.type === 'input').map((block) => block.block_id);
      const errors = answer.errors ?? {};
      const unknown = Object.keys(errors).filter((blockId) => !inputs.includes(blockId));
      if (unknown.length > 0 || Object.keys(errors).length === 0) throw new SlackError('invalid_response_action');
      return showErrors(world, view, errors);
    }
    case 'update':
      replaceView(world, view, acceptedView(answer.view, 'modal'));
      return { ok: true };
    case 'push':
      pushView(world, user.id, acceptedView(answer.view, 'modal'));
      return { ok: true };
    case 'clear':
      closeViews(world, user.id, true);
      return { ok: true };
    default:
      throw new SlackError('invalid_response_action');
  }
}

/** The person closes a modal: the topmost view, or all where it says `clear_on_close`. */
export async function shutViews(world: World, user: LocalUser, view: LocalView): Promise<ActResult> {
  if (topView(world, user.id) !== view) throw new SlackError('not_found');
  const all = view.view.type === 'modal' && view.view.clear_on_close === true;
  const gone = closeViews(world, user.id, all);
  const told = gone.filter((each) => each.view.type === 'modal' && each.view.notify_on_close);
  await Promise.all(
    told.map((each) => deliver(world, 'interactive', 'view_closed', payloads.viewClosed(world, user, each, all))),
  );
  return { ok: true };
}
