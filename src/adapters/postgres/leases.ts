import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Leases } from '../../ports.ts';
import { persistently } from './persistently.ts';

export function postgresLeases(pool: pg.Pool): Leases {
  return {
    async take(name, holdMs) {
      const holder = randomUUID();
      // Whose answer was lost may hold it already.
      const { rowCount } = await persistently(() =>
        pool.query(
          `insert into lease (name, holder, held_until) values ($1, $2, clock_timestamp() + $3 * interval '1 ms')
         on conflict (name) do update set holder = excluded.holder, held_until = excluded.held_until
         where lease.held_until < clock_timestamp() or lease.holder = excluded.holder`,
          [name, holder, holdMs],
        ),
      );
      if (rowCount !== 1) return null;
      return async () => {
        await persistently(() => pool.query('delete from lease where name = $1 and holder = $2', [name, holder]));
      };
    },
  };
}
