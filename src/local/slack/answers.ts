import type { IncomingMessage, ServerResponse } from 'node:http';
import { acceptedBlocks } from './channels.ts';
import { bodyText, sendJson } from './http.ts';
import { SlackError } from './slack-error.ts';
import { addMessage, type LocalMessage, messagesOf } from './workspace.ts';
import { later, type ReplyTarget, takeFault, type World } from './world.ts';

/** What an app may answer to a command or through a response_url. */
export interface AppAnswer {
  text?: string;
  blocks?: unknown;
  response_type?: 'ephemeral' | 'in_channel';
  replace_original?: boolean;
  delete_original?: boolean;
  thread_ts?: string;
}

function original(world: World, target: ReplyTarget): LocalMessage | undefined {
  return messagesOf(world.workspace, target.channel).find(
    (each) =>
      each.ts === target.message?.ts && !each.deleted && (!target.message.ephemeral || each.onlyFor === target.user),
  );
}

/** Shows an answer: to the person alone unless it says `in_channel`, or in place of the message it came from. */
export function showAnswer(world: World, target: ReplyTarget, answer: AppAnswer): void {
  const { workspace } = world;
  const old = original(world, target);
  if (answer.delete_original) {
    if (old) old.deleted = true;
    workspace.changed({ type: 'messages', channel: target.channel });
    return;
  }
  const blocks = acceptedBlocks(answer.blocks);
  const text = typeof answer.text === 'string' ? answer.text : '';
  if (text.trim() === '' && blocks.length === 0) throw new SlackError('no_text');
  if (answer.replace_original && old) {
    Object.assign(old, { text, blocks, edited: old.edited || blocks.length === 0 });
    workspace.changed({ type: 'messages', channel: target.channel });
    return;
  }
  const threadTs = answer.thread_ts ?? target.threadTs;
  addMessage(workspace, {
    channel: target.channel,
    user: world.app.botUserId,
    isApp: true,
    text,
    blocks,
    ...(answer.response_type === 'in_channel' ? {} : { onlyFor: target.user }),
    ...(threadTs ? { threadTs } : {}),
  });
}

/** A line that Slack itself says to one person. */
export function slackSays(world: World, channel: string, user: string, text: string): void {
  addMessage(world.workspace, {
    channel,
    user: 'USLACKBOT',
    isApp: false,
    text,
    blocks: [],
    onlyFor: user,
    subtype: 'error',
  });
}

/** `POST /response/<team>/<token>`: five times within thirty minutes. */
export async function answerResponseUrl(
  world: World,
  token: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await bodyText(request);
  const fault = takeFault(world, 'response_url');
  if (fault?.timeout) return;
  if (fault?.delayMs) await later(world, fault.delayMs);
  const target = world.replies.get(token);
  const refuse = (error: string, status = 404) => sendJson(response, { ok: false, error }, status);
  if (fault?.status || fault?.error) {
    if (fault.status === 429) response.setHeader('retry-after', String(fault.retryAfter ?? 1));
    return refuse(fault.error ?? 'internal_error', fault.status ?? 500);
  }
  if (!target) return refuse('expired_url');
  if (world.now() - target.at > world.speeds.responseUrlMs) return refuse('expired_url');
  if (target.uses >= world.speeds.responseUrlUses) return refuse('used_url');
  try {
    const answer = JSON.parse(body) as AppAnswer;
    showAnswer(world, target, answer);
    target.uses++;
  } catch (error) {
    if (error instanceof SyntaxError) return refuse('invalid_payload', 400);
    if (error instanceof SlackError) return refuse(error.error, 400);
    throw error;
  }
  if (fault?.loseResponse) return void request.socket.destroy();
  sendJson(response, { ok: true });
}
