export interface Plan {
  keys: { number: number; shape: string; provider: string }[];
  providers: { name: string; shape: string; keys: number[]; others: number }[];
  starts: { atMs: number; number: number; emergency: boolean }[];
  mishaps: { kind: string; afterStarts: number; worker: number; forMs: number; nextDiesAt: string | null }[];
}
export function planned(options: { rotations: number; seed: number; redis: boolean; ownPostgres: boolean }): Plan;
