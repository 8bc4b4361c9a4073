import { eq, sql } from 'drizzle-orm';
import type { Version } from '../../inventory/version-model.ts';
import type { VersionReads, VersionWrites } from '../../ports.ts';
import { type Session, sending, unnamed } from './rows.ts';
import { versions } from './schema.ts';

export function versionRows(session: Session): VersionReads & VersionWrites {
  const { db } = session;
  const written = ['keyId', 'version', 'lastFour', 'fingerprint', 'seenAt', 'currentAt'] as const;
  return {
    ofKey: (keyId) =>
      db
        .select()
        .from(versions)
        .where(eq(versions.keyId, keyId as Version['keyId']))
        .orderBy(versions.seenAt, versions.version),
    withFingerprint: (fingerprint) => db.select().from(versions).where(eq(versions.fingerprint, fingerprint)),
    save(version) {
      const saving = session.keep('save version', () =>
        db
          .insert(versions)
          .values(Object.fromEntries(written.map((each) => [each, sql`${sql.placeholder(each)}`])) as never)
          .onConflictDoUpdate({
            target: [versions.keyId, versions.version],
            set: {
              lastFour: sql`coalesce(excluded.last_four, ${versions.lastFour})`,
              fingerprint: sql`coalesce(excluded.fingerprint, ${versions.fingerprint})`,
              currentAt: sql`least(${versions.currentAt}, excluded.current_at)`,
            },
          })
          .prepare(unnamed),
      );
      return sending(session, saving.execute({ ...version }));
    },
  };
}
