import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type pg from 'pg';
import { hasWords } from '../../src/audit/tell.ts';

interface LoggedRow {
  id: string;
  occurred_at: Date;
  actor_kind: string;
  actor_id: string;
  action: string;
  subject: string;
  key_id: string | null;
  outcome: string;
  canonical: Buffer;
  salt: Buffer;
  leaf: Buffer;
}

/** Every event of every flow: written by somebody, hashed as promised, found by what it says, and fit to be read. */
export async function whatIsWrongInTheLog(pool: Pick<pg.Pool, 'query'>): Promise<string[]> {
  const { rows } = await pool.query<LoggedRow>('select * from audit_event');
  const salts = new Set(rows.map((row) => row.salt.toString('hex')));
  const found = salts.size === rows.length ? [] : ['two events share a salt'];
  for (const row of rows) {
    const said = JSON.parse(row.canonical.toString('utf8')) as Record<string, unknown> & { actor: { id?: string } };
    const leaf = createHash('sha256')
      .update(Buffer.from([0]))
      .update(row.salt)
      .update(row.canonical)
      .digest();
    const columns = [row.id, row.occurred_at.toISOString(), row.actor_kind, row.actor_id, row.action];
    const { actor, id, at, action, subject, keyId, outcome } = said as never as Record<string, never>;
    const { kind, id: actorId } = (actor ?? {}) as { kind?: string; id?: string };
    const complaints = {
      'its leaf is another': !leaf.equals(row.leaf),
      'its bytes are not canonical': canonicalize(said) !== row.canonical.toString('utf8'),
      'nobody did it': !row.actor_kind || !row.actor_id,
      'its action has no words in src/audit/tell.ts': !hasWords(row.action) && !/^test[.-]/.test(row.action),
      'its columns say something else':
        JSON.stringify([...columns, row.subject, row.key_id, row.outcome]) !==
        JSON.stringify([id, at, kind, actorId, action, subject, keyId, outcome]),
    };
    for (const [complaint, is] of Object.entries(complaints))
      if (is) found.push(`${row.id} ${row.action}: ${complaint}`);
  }
  return found;
}
