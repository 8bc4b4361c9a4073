import { DateTime } from 'luxon';
import { type Html, html, htmlPage } from '../../html.ts';
import type { Instant } from '../../kernel.ts';
import { zoneOf } from '../../people/hours-model.ts';
import type { Ports } from '../../ports.ts';
import { guidanceFor, rightsFor } from '../../reviews/permissions-model.ts';
import { askedOfMaker, isOwn } from '../own-model.ts';
import type { ShownForm } from './hand-in.ts';
import { mostTries } from './hand-in-model.ts';
import { placeOf } from './model.ts';

/** What a link shows before anybody has signed in: nothing of the key, since anybody may look. */
export function doorPage(path: string): Html {
  return htmlPage('Hand in a new key', [
    html`<p>This link was given to one person. Show that it is you: sign in with Slack, in the workspace that you got it from.</p>
<form method="post" action="${path}/sign-in"><button type="submit">Sign in with Slack</button></form>
<p class="soft">Opening this page has used nothing up. The link is over ten minutes after it was made.</p>`,
  ]);
}

/** On the way to Slack. A form may not lead elsewhere by itself; this does, and works without a script. */
export function onTheWayPage(url: string): Html {
  return htmlPage('On to Slack…', [html`<p><a href="${url}">Go on to Slack</a> if nothing happens.</p>`], url);
}

const clockOf = (at: Instant, zone: string) => `${DateTime.fromJSDate(at, { zone }).toFormat('HH:mm')} (${zone})`;

/** Where the value is typed: once, and never shown again. */
export function formPage(
  { link, key, person, rotation, review }: ShownForm,
  csrf: string,
  { issuers, policy }: Pick<Ports, 'issuers' | 'policy'>,
): Html {
  const tested = (issuers.of(key.issuer)?.can.test ?? false) || isOwn(key, policy);
  const { rights, less } = rightsFor(key, review);
  const guidance = guidanceFor(key.environment, policy);
  const asked = askedOfMaker(key, policy);
  const place = placeOf(key, policy);
  const there = place
    ? html`<a href="${place.url}" rel="noopener noreferrer" target="_blank">${place.where}</a>`
    : html`${key.service}`;
  return htmlPage(`Hand in the new key for ${key.name}`, [
    ...(link.problem ? [html`<p class="bad" role="alert">${link.problem}</p>`] : []),
    html`<dl>
<dt>You are</dt><dd>${person.name}</dd>
<dt>Service</dt><dd>${key.service}, ${key.environment}</dd>
${rotation.oldLastFour ? [html`<dt>Old key</dt><dd>ends with …${rotation.oldLastFour}; it stays in use until the new one is</dd>`] : []}
<dt>Goes to</dt><dd>AWS Secrets Manager, ${key.secretId ?? ''}</dd>
<dt>Until</dt><dd>${clockOf(link.endsAt, zoneOf(person.timeZone, policy))}${link.tries > 0 ? `; ${mostTries - link.tries} more tries` : ''}</dd>
</dl>
<ol>
<li>Make a new key at ${[there]} with ${less ? 'fewer rights than the old one, only' : 'these rights'}: ${rights}${guidance ? `. ${guidance}` : ''}${asked ? ` ${asked}` : ''}</li>
<li>Copy it and paste it here. ${tested ? `It is tried at ${key.service} before it is used.` : `Nobody can try it at ${key.service} before it is used, so look twice.`}</li>
</ol>
<form method="post" action="/hand-in/${link.id}" autocomplete="off">
<input type="hidden" name="csrf" value="${csrf}">
<label for="value">The new key</label>
<input id="value" name="value" type="password" required autofocus autocomplete="off" autocapitalize="off" spellcheck="false">
<button type="submit">Hand it in</button>
</form>
<p class="soft">It is kept in Secrets Manager and nowhere else: not in Slack, not in a log, not on this page.</p>`,
  ]);
}

export function usedPage(): Html {
  return htmlPage('The new key was handed in', [
    html`<p class="good" role="status">It is stored, and the rotation goes on by itself.</p>
<p>The card in Slack shows each step. You can close this page; the link is used up.</p>
<p>Clear your clipboard, and delete the key wherever else you have put it down.</p>`,
  ]);
}

export function saidPage(title: string, sentence: string, again?: string): Html {
  return htmlPage(title, [
    html`<p class="bad" role="alert">${sentence}</p>
${again ? [html`<p><a href="${again}">Go back to the form</a></p>`] : []}`,
  ]);
}
