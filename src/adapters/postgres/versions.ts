import { eq, sql } from 'drizzle-orm';
import type { Version } from '../../inventory/version-model.ts';
import type { VersionReads, VersionWrites } from '../../ports.ts';
import type { Session } from './rows.ts';
import { versions } from './schema.ts';

export function versionRows({ db }: Session): VersionReads & VersionWrites {
  return {
    ofKey: (keyId) =>
      db
        .select()
        .from(versions)
        .where(eq(versions.keyId, keyId as Version['keyId']))
        .orderBy(versions.seenAt, versions.version),
    withFingerprint: (fingerprint) => db.select().from(versions).where(eq(versions.fingerprint, fingerprint)),
    async save(version) {
      await db
        .insert(versions)
        .values(version)
        .onConflictDoUpdate({
          target: [versions.keyId, versions.version],
          set: {
            lastFour: sql`coalesce(excluded.last_four, ${versions.lastFour})`,
            fingerprint: sql`coalesce(excluded.fingerprint, ${versions.fingerprint})`,
            currentAt: sql`least(${versions.currentAt}, excluded.current_at)`,
          },
        });
    },
  };
}
