import type { KnownBlock, View as SlackView } from '@slack/types';
import { block, code, join, link, type Mrkdwn, md, mention, page, typed } from '../blocks.ts';
import { refuseAtClick, type SlackDoor } from '../doors.ts';
import { whyNotTouch } from '../inventory/may-model.ts';
import { type ApiKey, storages } from '../inventory/model.ts';
import { idOf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { guidanceFor, type PermissionReview, rightsFor } from '../reviews/permissions-model.ts';
import { endedByHand, madeByHand } from '../rotation/by-hand/model.ts';
import { anyService, companyRunbook, ending, handingIn, type Piece, pageFor, type Section, storing } from './model.ts';

const title = 'Steps';

/** **Steps**, wherever a key is shown that a person may have to rotate. */
export function runbooksInSlack(slack: SlackDoor, ports: Ports): void {
  const { store } = ports;

  slack.action('runbooks.show', { opens: title }, async ({ person, value }) => {
    const { key, owner, review } = await store.read(async (view) => {
      const key = await view.keys.get(idOf('key', value));
      const review = await view.permissionReviews.find(key.id);
      return { key, owner: await view.people.find(key.ownerId), review };
    });
    const wanted = { action: 'runbooks.show', subject: key.id, keyId: key.id } as const;
    await refuseAtClick(store, person, wanted, whyNotTouch(person, wanted.action, key));
    return { open: stepsFor(ports, key, owner, review) };
  });
}

/** What to do, in order, with what is known of this key. */
function stepsFor(
  { runbooks, issuers, policy }: Ports,
  key: ApiKey,
  owner: Person | null,
  review: PermissionReview | null,
): SlackView {
  const { rights, less } = rightsFor(key, review);
  const guidance = guidanceFor(key.environment, policy);
  const names = runbooks.names();
  const own = companyRunbook(key.service, policy, names);
  const runbook = runbooks.of(pageFor(key.service, names)) ?? runbooks.of(anyService);
  const [make, ...rest] = runbook?.sections ?? [];
  const issuer = key.storage === 'secrets-manager' ? issuers.of(key.issuer) : null;
  // Whoever stores the value beside a rotation that waits for it breaks that rotation.
  const isHandedIn = issuer !== null && madeByHand(issuer.can);
  const store = runbooks.of(isHandedIn ? handingIn : storing)?.sections ?? [];
  const then = isHandedIn ? rest.flatMap((section) => endedLater(section, endedByHand(issuer.can))) : rest;
  return page(title, [
    block.text(md`*${typed(key.name, 200)}*`),
    ...block.facts([
      ['Owner', owner ? mention(owner.slackId) : md`nobody`],
      ['May do', typed(less ? key.scope : rights, 900)],
      ['The new one needs only', less ? typed(rights, 900) : md``],
      ['Stored in', key.secretId ? code(key.secretId) : typed(storages[key.storage])],
      ['The old one ends with', key.lastFour ? code(`…${key.lastFour}`) : md`not known`],
    ]),
    ...(guidance ? [block.small(md`${typed(guidance, 300)}`)] : []),
    ...(own ? [block.text(md`:closed_book: *${link(own, `Your company's own steps for ${key.service}`)}*`)] : []),
    ...(runbook ? [block.text(inWords(runbook.intro))] : []),
    ...[...(make ? [isHandedIn ? handedIn(make) : make] : []), ...store, ...then].map(sectionBlock),
    block.small(md`Never paste a value here or into any message.`),
  ]);
}

/** The pages lead to where a value is stored; here it is handed in. */
function handedIn(section: Section): Section {
  const instead = (piece: Piece): Piece =>
    piece.kind === 'text' && piece.text === 'store it' ? { ...piece, text: 'hand it in' } : piece;
  return { ...section, lines: section.lines.map((line) => line.map(instead)) };
}

/** The old key is ended by the rotation, or by a person when it asks for that; never before. */
function endedLater(section: Section, byHand: boolean): Section[] {
  if (section.title !== ending) return [section];
  return byHand ? [{ ...section, title: `${ending}, when a card asks you to` }] : [];
}

function sectionBlock({ title: heading, numbered, lines }: Section): KnownBlock {
  const shown = lines.map((line, i) => md`${numbered ? md`${i + 1}. ` : md`• `}${inWords(line)}`);
  return block.text(join([md`*${typed(heading)}*`, ...shown], '\n'));
}

const said: { [K in Piece['kind']]: (piece: Extract<Piece, { kind: K }>) => Mrkdwn } = {
  bold: ({ text }) => md`*${typed(text)}*`,
  code: ({ text }) => code(text),
  link: ({ url, text }) => link(url, text),
  // `typed` takes the blanks at the ends, which stand between the pieces.
  text: ({ text }) =>
    md`${text.startsWith(' ') ? md` ` : md``}${typed(text, 1000)}${text.endsWith(' ') ? md` ` : md``}`,
};
const inWords = (pieces: Piece[]): Mrkdwn =>
  join(
    pieces.map((piece) => (said[piece.kind] as (piece: Piece) => Mrkdwn)(piece)),
    '',
  );
