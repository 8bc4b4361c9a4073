import type { Policy } from '../policy.ts';

/** A piece of a line, as the pages of docs/runbooks are written. */
export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'bold'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'link'; text: string; url: string };
export interface Section {
  title: string;
  /** Numbered where their order matters. */
  numbered: boolean;
  lines: Piece[][];
}
/** The steps for a person at one service. */
export interface Runbook {
  name: string;
  title: string;
  intro: Piece[];
  sections: Section[];
}

/** The page for services without one of their own, and the one that all others lead to. */
export const anyService = 'generic';
export const storing = 'store-it';
/** The same for keys whose new value is handed in, and stored by us. */
export const handingIn = 'hand-it-in';
const shared: readonly string[] = [storing, handingIn];
/** The section of each page that says how the old key is ended. */
export const ending = 'End the old key';

/** A page of docs/runbooks. @throws Error for one that is not written as the others are */
export function parsed(name: string, text: string): Runbook {
  const [head = '', ...rest] = text.split(/^## /m);
  const [, title, intro] = /^# (.+)\n\n([\s\S]+)$/.exec(head.trim()) ?? [];
  if (!title || !intro || rest.length === 0) throw new Error(`docs/runbooks/${name}.md: no title, words and sections`);
  const sections = rest.map((part): Section => {
    const [heading = '', ...body] = part.trim().split('\n');
    const items = body
      .join('\n')
      .trim()
      .split(/^(?=\d+\. |- )/m);
    const numbered = items.every((item) => /^\d+\. /.test(item));
    if (!numbered && !items.every((item) => item.startsWith('- '))) {
      throw new Error(`docs/runbooks/${name}.md: "${heading}" is neither steps nor a list`);
    }
    return { title: heading, numbered, lines: items.map((item) => piecesOf(item.replace(/^(\d+\. |- )/, ''))) };
  });
  return { name, title, intro: piecesOf(intro), sections };
}

/** Bold, code and links. What leads to another page of ours keeps its words alone. */
function piecesOf(text: string): Piece[] {
  const flat = text.replace(/\s+/g, ' ').trim();
  return flat
    .split(/(\*\*[^*]+\*\*|`[^`]+`|\[[^\]]+\]\([^)]+\))/)
    .filter(Boolean)
    .map((part): Piece => {
      if (part.startsWith('**')) return { kind: 'bold', text: part.slice(2, -2) };
      if (part.startsWith('`')) return { kind: 'code', text: part.slice(1, -1) };
      const [, label, url] = /^\[([^\]]+)\]\(([^)]+)\)$/.exec(part) ?? [];
      if (!label || !url) return { kind: 'text', text: part };
      return url.startsWith('https://') ? { kind: 'link', text: label, url } : { kind: 'text', text: label };
    });
}

const otherNames: Record<string, string> = {
  aws: 'aws-iam',
  amazon: 'aws-iam',
  iam: 'aws-iam',
  claude: 'anthropic',
  chatgpt: 'openai',
};

/** A service as a name: `Order webhooks` is `order-webhooks`. */
export const asName = (service: string): string =>
  service
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');

/** Which page is for this service: its own, that of its first word (`GitHub Actions`), or the one for any. */
export function pageFor(service: string, names: readonly string[]): string {
  const name = asName(service);
  const [first = ''] = name.split('-');
  const found = [name, first, otherNames[first]].find((each) => each && !shared.includes(each) && names.includes(each));
  return found ?? anyService;
}

/** Where the company keeps its own steps for this service, or null. */
export function companyRunbook(service: string, policy: Policy, names: readonly string[]): string | null {
  return policy.runbooks[asName(service)] ?? policy.runbooks[pageFor(service, names)] ?? null;
}
