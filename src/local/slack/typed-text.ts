import type { Workspace } from './workspace.ts';

/**
 * What Slack makes of typed text in messages, and in commands with `should_escape`: control characters escaped,
 * `@name` and `#channel` turned into ids, addresses into links.
 */
export function asSlackText(workspace: Workspace, typed: string): string {
  // Mentions that a client resolved stay as they are; `<!channel>` spelled out is only text, as in Slack's client.
  const pieces = typed.split(/(<(?:[@#][A-Z0-9]+(?:\|[^<>]*)?)>)/);
  return pieces.map((piece, i) => (i % 2 === 1 ? piece : resolved(workspace, piece))).join('');
}

function resolved(workspace: Workspace, piece: string): string {
  const escaped = piece.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return escaped
    .replace(/(^|[\s(])@([\p{L}\p{N}._-]+)/gu, (whole, before: string, name: string) => {
      const wanted = name.toLowerCase().replace(/[._-]+$/, '');
      const user = [...workspace.users.values()].find((each) =>
        [each.name.toLowerCase(), each.id.toLowerCase()].includes(wanted),
      );
      if (user) return `${before}<@${user.id}|${user.name}>${name.slice(wanted.length)}`;
      const subteam = [...workspace.groups.values()].find((each) => !each.disabled && each.handle === wanted);
      if (subteam) return `${before}<!subteam^${subteam.id}|@${subteam.handle}>${name.slice(wanted.length)}`;
      const group = /^(here|channel|everyone)$/.exec(wanted)?.[1];
      return group ? `${before}<!${group}>` : whole;
    })
    .replace(/(^|[\s(])#([\p{L}\p{N}_-]+)/gu, (whole, before: string, name: string) => {
      const channel = [...workspace.channels.values()].find(
        (each) => each.kind !== 'im' && each.name === name.toLowerCase(),
      );
      return channel ? `${before}<#${channel.id}|${channel.name}>` : whole;
    })
    .replace(/(^|\s)(https?:\/\/[^\s|]+)/g, '$1<$2>');
}
