import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import type { Database, Json } from "../../../shared/platform/database.types.ts";
import type { StackEnv } from "../stack-env.ts";

export interface Nudge {
  nudge_id: string;
  nudge_type: string;
  title: string;
  message: string;
  cta_label: string;
}

export interface Publication {
  accepted: number;
  duplicates: number;
  results: { event_id: string; status: string }[];
}

/** A person with a browser: everything goes over HTTP, through the official client. */
export class Visitor {
  private constructor(readonly userId: string, readonly client: SupabaseClient<Database>) {}

  static async signUp(env: StackEnv, name: string): Promise<Visitor> {
    const client = createClient<Database>(env.API_URL, env.PUBLISHABLE_KEY, {
      auth: { persistSession: false, autoRefreshToken: false },
    });
    const { data, error } = await client.auth.signUp({
      email: `${name}.${crypto.randomUUID().slice(0, 8)}@example.com`,
      password: crypto.randomUUID(),
    });
    if (error || !data.user) throw error ?? new Error("signing up gave no user");
    return new Visitor(data.user.id, client);
  }

  /** Publishes through the function `events`: one event, or several at once. */
  publish(events: object | object[]): Promise<Publication> {
    return this.call("events", "POST", Array.isArray(events) ? { events } : events);
  }

  /** Publishes straight to the database, as apps do while the functions are away. */
  async publishWithoutFunctions(event: Json): Promise<Publication> {
    const { data, error } = await this.client.rpc("publish_events", { events: event });
    if (error) throw error;
    // The types know that it is JSON; the contract says which.
    return data as unknown as Publication;
  }

  nudges(): Promise<Nudge[]> {
    return this.call("nudges", "GET");
  }

  async call<T>(path: string, method: "GET" | "POST", body?: object): Promise<T> {
    const { data, error } = await this.client.functions.invoke<T>(path, {
      method,
      ...(body && { body }),
    });
    if (error) throw new Error(`${method} ${path}: ${await error.context?.text?.() ?? error}`);
    return data as T;
  }
}
