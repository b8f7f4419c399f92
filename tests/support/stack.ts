import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import postgres from "postgres";
import { inject } from "vitest";
import { bootstrap } from "../../supabase/local/postgres/bootstrap.ts";
import { connect as connectToDatabase } from "../../supabase/local/postgres/connect.ts";
import type { StackEnv } from "../../supabase/local/stack-env.ts";
import { inDatabase } from "./database.ts";

declare module "vitest" {
  export interface ProvidedContext {
    stack: StackEnv;
  }
}

/** A user who has signed up over HTTP. */
export interface TestUser {
  user_id: string;
  email: string;
  accessToken: string;
  /** supabase-js, signed in as this user. */
  client: SupabaseClient;
}

export interface TestStack {
  env: StackEnv;
  /** supabase-js with the publishable key, signed in as nobody. */
  anonymous(): SupabaseClient;
  /** supabase-js with the secret key. */
  service(): SupabaseClient;
  /** Signs up a new user over HTTP. */
  signUp(): Promise<TestUser>;
  /** Connections as `postgres`; ended by whoever asked for them. */
  adminSql(options?: { max?: number }): postgres.Sql;
  /** Another database of the same server, with what a project has before its first migration; dropped when disposed of. */
  emptyDatabase(): Promise<AsyncDisposable & { url: string }>;
}

/** The stack that the whole run shares. */
export function testStack(): TestStack {
  return clientsOf(inject("stack"));
}

/** The same for a stack that a test has started itself. */
export function clientsOf(env: StackEnv): TestStack {
  const connect = (key: string) =>
    createClient(env.API_URL, key, { auth: { persistSession: false, autoRefreshToken: false } });
  return {
    env,
    anonymous: () => connect(env.PUBLISHABLE_KEY),
    service: () => connect(env.SECRET_KEY),
    async signUp() {
      const client = connect(env.PUBLISHABLE_KEY);
      const email = `${crypto.randomUUID()}@example.com`;
      const { data, error } = await client.auth.signUp({ email, password: crypto.randomUUID() });
      if (error) throw error;
      if (!data.user || !data.session) throw new Error("signing up opened no session");
      return { user_id: data.user.id, email, accessToken: data.session.access_token, client };
    },
    adminSql: ({ max = 4 } = {}) => postgres(env.DB_URL, { max, onnotice: () => {} }),
    async emptyDatabase() {
      const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
      const server = connectToDatabase(env.SUPERUSER_DB_URL);
      await server`create database ${server(name)}`;
      const database = connectToDatabase(inDatabase(env.SUPERUSER_DB_URL, name));
      await bootstrap(database, new URL(env.DB_URL).password);
      await database.end();
      return {
        url: inDatabase(env.DB_URL, name),
        async [Symbol.asyncDispose]() {
          await server`drop database ${server(name)} with (force)`;
          await server.end();
        },
      };
    },
  };
}
