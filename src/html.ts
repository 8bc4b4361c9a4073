/**
 * The one way to build what a browser shows. Every text goes through the `html` template, which escapes it; nothing on a
 * page runs, and nothing is loaded from elsewhere.
 */
declare const safe: unique symbol;
export type Html = string & { readonly [safe]: true };

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string) => text.toWellFormed().replace(/[&<>"']/g, (each) => escapes[each]!);

/** Template for HTML: our own words stay as they are, everything put into it is escaped, unless it is a list of HTML. */
export function html(parts: TemplateStringsArray, ...values: (string | number | Html[])[]): Html {
  const text = (value: string | number | Html[]) => (Array.isArray(value) ? value.join('') : escaped(String(value)));
  return parts.reduce((all, part, i) => all + part + (i < values.length ? text(values[i]!) : ''), '') as Html;
}

/** Where every page finds its looks; registered once. */
export const stylePath = '/hand-in/style.css';
export const style = `
:root { color-scheme: light dark; --line: #c8cdd3; --soft: #5b6570; --ink: #1d2126; --paper: #fff; --main: #1d3557; --bad: #a3212b; --good: #17694a; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444c; --soft: #a3adb8; --ink: #e8eaed; --paper: #17191c; --main: #9cc2ef; --bad: #ff8d92; --good: #71d3ac; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 40rem; margin: 8vh auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
p, ol, dl { margin: 0 0 1rem; overflow-wrap: anywhere; }
li { margin: 0.25rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1.25rem; }
dt, .soft { color: var(--soft); }
dd { margin: 0; }
a { color: var(--main); }
label { display: block; font-weight: 600; margin: 1.5rem 0 0.35rem; }
input { width: 100%; padding: 0.6rem 0.7rem; font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 6px; }
button { margin: 1rem 0; padding: 0.6rem 1.1rem; font: inherit; font-weight: 600; color: var(--paper); background: var(--main); border: 0; border-radius: 6px; cursor: pointer; }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
.bad { border-left: 4px solid var(--bad); padding-left: 0.8rem; color: var(--bad); font-weight: 600; }
.good { border-left: 4px solid var(--good); padding-left: 0.8rem; color: var(--good); font-weight: 600; }
`;

/** A whole page. `goOn` leads further by itself, and without a script; a form cannot, where its answer leads elsewhere. */
export function htmlPage(title: string, body: Html[], goOn?: string): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<meta name="referrer" content="no-referrer">
${goOn ? [html`<meta http-equiv="refresh" content="0; url=${goOn}">`] : []}
<title>${title}</title>
<link rel="stylesheet" href="${stylePath}">
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`;
}

/** Beside what every page says: HTML, looks of our own, forms that come back to us. */
export const htmlHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-robots-tag': 'noindex, nofollow',
};
