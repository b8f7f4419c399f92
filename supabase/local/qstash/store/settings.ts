import { z } from "zod";
import { createIdentifier } from "../identifier.ts";
import { type Database, json } from "./database.ts";

const schema = `
  create table if not exists settings (
    name text primary key,
    value text not null
  ) strict;
`;

const SigningKeys = z.object({ current: z.string(), next: z.string() });
export type SigningKeys = z.infer<typeof SigningKeys>;

const StoredKeys = z.object({ configured: SigningKeys, inUse: SigningKeys });

export type SettingStore = ReturnType<typeof createSettingStore>;

/** What outlives a restart besides messages: the signing keys in use and the clock's origin. */
export function createSettingStore(database: Database, configured: SigningKeys) {
  database.execute(schema);

  function read(name: string): unknown {
    return json(database.first("select value from settings where name = :name", { name })?.value);
  }

  function write(name: string, value: unknown): void {
    database.run(
      `insert into settings (name, value) values (:name, :value)
       on conflict (name) do update set value = excluded.value`,
      { name, value: JSON.stringify(value) },
    );
  }

  // Rotated keys stay in use until the configuration itself names other keys.
  const stored = StoredKeys.safeParse(read("signing_keys")).data;
  let inUse = stored?.configured.current === configured.current &&
      stored.configured.next === configured.next
    ? stored.inUse
    : configured;

  return {
    signingKeys: (): SigningKeys => inUse,

    rotateSigningKeys(): SigningKeys {
      inUse = { current: inUse.next, next: createIdentifier("sig") };
      write("signing_keys", { configured, inUse });
      return inUse;
    },

    /** When this file was first opened: a sped-up clock goes on from there after a restart. */
    clockOrigin(): number {
      const known = z.int().safeParse(read("clock_origin"));
      if (known.success) return known.data;
      const origin = Date.now();
      write("clock_origin", origin);
      return origin;
    },
  };
}
