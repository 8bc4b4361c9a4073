import { randomBytes, randomInt } from 'node:crypto';
import fs from 'node:fs';

export type Kind = 'create' | 'list' | 'revoke' | 'probe' | 'other';
export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Record<string, string>;
  /** A form or JSON, parsed. */
  body: Record<string, unknown>;
  text: string;
}
export interface Reply {
  status: number;
  /** Sent as JSON; a text as it is. */
  body?: unknown;
  headers?: Record<string, string>;
}
export interface FakeKey {
  id: string;
  name: string;
  value: string;
  account: string;
  madeAt: Date;
  ended: boolean;
  /** Not accepted for now, and not ended. */
  disabled?: boolean;
  /** What its provider counted of it: so much at this instant, in milliseconds. */
  uses?: Use[];
  /** Seconds since 1970; null or absent when nobody has used it. */
  usedAt?: number | null;
  /** How many more tries of its value are answered as before it was made, or before it was ended. */
  lag: number;
}
export interface Use {
  atMs: number;
  amount: number;
  /** Which report counts it, where there are several. */
  of?: string;
}
export interface Fault {
  on: Kind;
  /** Answered instead of doing anything. */
  reply?: Reply;
  /** The work is done, and the answer lost. */
  lose?: boolean;
  times?: number;
}

let handedOut = randomInt(0x8000);
/**
 * Something that nobody can guess. Keys are known by their last four characters, which chance alone would repeat: here
 * they count, and come again after 65,536.
 */
export function chance(bytes = 16): string {
  const end = (handedOut++ % 0x1_0000).toString(16).padStart(4, '0');
  return `${randomBytes(bytes - 2).toString('hex')}${end}`;
}

/** What of a world outlives its program. */
interface Kept {
  port: number;
  admin: string;
  keys: FakeKey[];
  handedOut: number;
}

/** What a provider knows, as its own database has it. */
export class World {
  /** A credential that it accepts. */
  admin = `admin-${randomBytes(12).toString('hex')}`;
  /** Which of its keys may manage keys; most providers have none of that kind. */
  manages: (key: FakeKey) => boolean = () => false;
  keys: FakeKey[] = [];
  faults: Fault[] = [];
  pageSize = 3;
  limit = Number.POSITIVE_INFINITY;
  /** Tries until a new value works, and until an ended one is dead. */
  lag = { made: 0, ended: 0 };
  /** So late, in milliseconds, does a use show in reports. */
  reportLagMs = 0;
  /** Newly made keys are not listed for so many listings. */
  hidden = 0;
  asked: { kind: Kind; method: string; path: string; credential: string }[] = [];
  #made = 0;
  /** Where it listens; 0 for wherever there is room. */
  port = 0;
  /** Where it is kept from one start to the next; nowhere in tests. */
  #file: string | null = null;
  #kept = '';

  /** As it was when its program ended, however that ended. */
  keptIn(file: string): void {
    this.#file = file;
    if (fs.existsSync(file)) {
      const known = JSON.parse(fs.readFileSync(file, 'utf8')) as Kept;
      handedOut = Math.max(handedOut, known.handedOut);
      this.port = known.port;
      this.admin = known.admin;
      this.keys = known.keys.map((each) => ({ ...each, madeAt: new Date(each.madeAt) }));
      this.#made = this.keys.length;
    }
  }
  keep(): void {
    if (!this.#file) return;
    const now = JSON.stringify({ port: this.port, admin: this.admin, keys: this.keys, handedOut } satisfies Kept);
    if (now === this.#kept) return;
    // Whoever is killed meanwhile leaves the whole of the one or of the other.
    fs.writeFileSync(`${this.#file}.new`, now, { mode: 0o600 });
    fs.renameSync(`${this.#file}.new`, this.#file);
    this.#kept = now;
  }

  make(name: string, value: string, facts: Partial<FakeKey> = {}): FakeKey {
    this.#made++;
    const key = {
      id: `key_${this.#made}`,
      name,
      value,
      account: '',
      madeAt: new Date(),
      ended: false,
      lag: this.lag.made,
      ...facts,
    };
    this.keys.push(key);
    this.keep();
    return key;
  }
  end(id: string): boolean {
    const key = this.keys.find((each) => each.id === id && !each.ended);
    if (!key) return false;
    key.ended = true;
    key.lag = this.lag.ended;
    this.keep();
    return true;
  }
  /** Whether a value is accepted now; each try brings what is on its way nearer. */
  accepts(value: string): FakeKey | null {
    const key = this.keys.find((each) => each.value === value);
    if (!key) return null;
    const lagging = key.lag > 0;
    if (lagging) key.lag--;
    return key.ended === lagging ? key : null;
  }
  /** Whether keys can be managed with this value. */
  admits(value: string): boolean {
    return value === this.admin || this.keys.some((each) => each.value === value && !each.ended && this.manages(each));
  }
  listed(): FakeKey[] {
    const there = this.keys.filter((each) => !each.ended);
    if (this.hidden <= 0) return there;
    this.hidden--;
    return there.slice(0, -1);
  }
  /** Takes the next fault of this kind, if there is one. */
  faultOn(kind: Kind): Fault | undefined {
    const fault = this.faults.find((each) => each.on === kind);
    if (fault) {
      fault.times = (fault.times ?? 1) - 1;
      if (fault.times <= 0) this.faults = this.faults.filter((each) => each !== fault);
    }
    return fault;
  }
  /** Values that work for good, once everything has arrived everywhere. */
  live(): string[] {
    return this.keys.filter((each) => !each.ended).map((each) => each.value);
  }
}

/**
 * A report on the use of one key as OpenAI and Anthropic cut it: whole spans of time from the one that `fromMs` lies in, of
 * which the last one that has begun may be under way; so many a page. Other keys' use stands beside it only without a filter.
 */
export function spansOf(
  world: World,
  asked: {
    keyId: string | null;
    of?: string;
    width: string;
    fromMs: number;
    untilMs: number;
    limit: number;
    page: number;
  },
): { spans: { startMs: number; endMs: number; results: { id: string; amount: number }[] }[]; next: number | null } {
  const ms = { '1m': 60_000, '1h': 3_600_000, '1d': 86_400_000 }[asked.width]!;
  const [most, usual] = { '1m': [1440, 60], '1h': [168, 24], '1d': [31, 7] }[asked.width] as [number, number];
  const now = Date.now();
  const first = Math.floor(asked.fromMs / ms) * ms;
  const spans = [];
  for (let startMs = first; startMs < Math.min(now, asked.untilMs); startMs += ms) {
    const counted = (use: Use) =>
      use.atMs >= startMs && use.atMs < startMs + ms && use.atMs <= now - world.reportLagMs && use.of === asked.of;
    const results = world.keys
      .filter((each) => asked.keyId === null || each.id === asked.keyId)
      .map(({ id, uses = [] }) => ({ id, amount: uses.filter(counted).reduce((sum, { amount }) => sum + amount, 0) }))
      .filter(({ amount }) => amount > 0);
    spans.push({ startMs, endMs: startMs + ms, results });
  }
  const { rows, next } = pageOf(spans, asked.page, Math.min(asked.limit || usual, most));
  return { spans: rows, next };
}

/** When a key was last used, as JSON has it; null when nobody has used it. */
export const usedAtOf = ({ usedAt }: FakeKey): string | null => (usedAt ? new Date(usedAt * 1000).toISOString() : null);

/** One page of something, from where the caller left off. */
export function pageOf<N>(rows: N[], from: number, size: number): { rows: N[]; next: number | null } {
  return { rows: rows.slice(from, from + size), next: from + size < rows.length ? from + size : null };
}
