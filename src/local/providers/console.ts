import { html, htmlHeaders, htmlPage, style, stylePath } from '../../html.ts';
import type { Asked, FakeKey, World } from './world.ts';

/** What people see of a provider that stands in for a real one. */
export interface Console {
  /** As the real provider calls it. */
  title: string;
  newValue(): string;
}
export interface Page {
  status: number;
  headers: Record<string, string>;
  body: string;
}

const hintOf = ({ value }: FakeKey) => `${value.slice(0, 12)}…${value.slice(-4)}`;
const stateOf = ({ ended, disabled }: FakeKey) => (ended ? 'ended' : disabled ? 'inactive' : 'active');
const page = (title: string, body: ReturnType<typeof html>[], status = 200): Page => ({
  status,
  headers: { ...htmlHeaders, 'cache-control': 'no-store' },
  body: htmlPage(title, body),
});

/** The page at the root of a local provider: its keys, and a way to make one. Null for what its API answers. */
export function answerConsole(
  console: Console,
  { method, path, body }: Pick<Asked, 'method' | 'path' | 'body'>,
  world: World,
): Page | null {
  const title = `${console.title} (local)`;
  if (method === 'GET' && path === stylePath)
    return { status: 200, headers: { 'content-type': 'text/css' }, body: style };
  if (method === 'POST' && path === '/console/keys') {
    const key = world.make(
      (typeof body.name === 'string' ? body.name : '').trim().slice(0, 100) || 'made in the console',
      console.newValue(),
    );
    return page(title, [
      html`<p class="good" role="status">The key was made. Copy it now: it is not shown again.</p>
<label for="value">The new key</label>
<input id="value" readonly value="${key.value}">
<p><a href="/">All keys</a></p>`,
    ]);
  }
  if (method !== 'GET' || path !== '/') return null;
  const rows = [...world.keys].reverse();
  return page(title, [
    html`<p>This stands in for the real one, on this machine alone. What is made here works here and nowhere else.</p>
<form method="post" action="/console/keys"><label for="name">Name</label><input id="name" name="name" autocomplete="off"><button type="submit">Create key</button></form>
<dl>
${rows.map((each) => html`<dt>${hintOf(each)}</dt><dd>${stateOf(each)}, ${each.name}</dd>`)}
</dl>`,
  ]);
}
