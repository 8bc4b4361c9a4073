import { and, eq, inArray, sql } from 'drizzle-orm';
import type { CampaignReads } from '../../ports.ts';
import type { Campaign } from '../../rotation/campaigns/model.ts';
import type { Rotation } from '../../rotation/model.ts';
import { rowsOf, type Session, type TableRows } from './rows.ts';
import { campaigns, rotations } from './schema.ts';

export function campaignRows(session: Session): TableRows<Campaign> & CampaignReads {
  const rows = rowsOf<Campaign>(session, campaigns, 'campaign');
  return {
    ...rows,
    unconfirmed: () => rows.where(inArray(campaigns.status, ['drafted', 'asked']), sql`${campaigns.id}`),
    stalled: () =>
      rows.where(
        and(
          eq(campaigns.status, 'running'),
          sql`not exists (select 1 from work where name = 'rotation.run-campaign' and status in ('waiting', 'running')
            and payload ->> 'campaignId' = ${campaigns.id})`,
        ),
      ),
    unsettledOfKey: (keyId) =>
      rows.where(
        and(
          eq(campaigns.unsettled, true),
          inArray(campaigns.status, ['running', 'ended']),
          sql`${campaigns.lines} @> ${JSON.stringify([{ keyId }])}::jsonb`,
        ),
        sql`${campaigns.id}`,
      ),
    async rotationsOf({ lines, begunAt, emergency, unsettled, endedAt }) {
      if (!begunAt || lines.length === 0) return [];
      const since = sql`${begunAt.toISOString()}::timestamptz`;
      const found = await session.db
        .selectDistinctOn([rotations.keyId])
        .from(rotations)
        .where(
          and(
            inArray(
              rotations.keyId,
              lines.map((line) => line.keyId),
            ),
            sql`(${rotations.endedAt} is null or ${rotations.endedAt} >= ${since})`,
            // An emergency has no use for what runs slower, unless that has replaced the value since.
            emergency
              ? sql`(${rotations.emergency} and ${rotations.cause} <> 'drill' or ${rotations.status} = 'done' and ${rotations.startedAt} >= ${since})`
              : undefined,
            unsettled || !endedAt ? undefined : sql`${rotations.startedAt} <= ${endedAt.toISOString()}::timestamptz`,
          ),
        )
        .orderBy(rotations.keyId, sql`${rotations.startedAt} desc`, sql`${rotations.id} desc`);
      return found as Rotation[];
    },
  };
}
