import type { JWTPayload } from "jose";
import { Hono } from "hono";
import { z } from "zod";
import { connect } from "../postgres/connect.ts";
import { authError } from "./auth-error.ts";
import type { GatewayConfig } from "./config.ts";

const pageSchema = z.object({
  page: z.coerce.number().int().min(1).catch(1),
  per_page: z.coerce.number().int().min(1).max(1_000).catch(50),
});

const metadataSchema = z.record(z.string(), z.json()).default({});

const newUserSchema = z.strictObject({
  email: z.string(),
  password: z.string().default(() => crypto.randomUUID()),
  // Here every address counts as confirmed.
  email_confirm: z.boolean().optional(),
  user_metadata: metadataSchema,
  app_metadata: metadataSchema,
});

const signedUpSchema = z.object({ user: z.object({ id: z.string() }) });

/**
 * `/auth/v1/admin`, which Lite does not have: users are listed, read, made and deleted, and shown as Lite shows users to
 * themselves. The rest of it answers 501.
 *
 * @param ask asks Lite on behalf of a user, or of nobody
 */
export function createAuthAdmin(
  config: GatewayConfig,
  ask: (request: Request, claims?: JWTPayload) => Promise<Response>,
): Hono {
  const sql = connect(config.databaseUrl, { name: "phoenix-auth-admin" });
  const headers = { apikey: config.publishableKey, "content-type": "application/json" };
  const app = new Hono();

  function readUser(id: string): Promise<Response> {
    const request = new Request(`${config.apiUrl}/auth/v1/user`, { headers });
    return ask(request, { sub: id, role: "authenticated" });
  }

  app.get("/auth/v1/admin/users", async (c) => {
    const { page, per_page } = pageSchema.parse(c.req.query());
    const [users, [counted]] = await Promise.all([
      sql<{ id: string }[]>`
        select id from auth.users order by created_at desc, id
        limit ${per_page} offset ${(page - 1) * per_page}`,
      sql<{ total: number }[]>`select count(*)::integer as total from auth.users`,
    ]);
    const total = counted?.total ?? 0;
    const last = Math.max(1, Math.ceil(total / per_page));
    const links = [...page < last ? [{ rel: "next", to: page + 1 }] : [], { rel: "last", to: last }]
      .map(({ rel, to }) => `</admin/users?page=${to}&per_page=${per_page}>; rel="${rel}"`);
    return Response.json({
      users: await Promise.all(users.map(async ({ id }) => await (await readUser(id)).json())),
      aud: "authenticated",
    }, { headers: { "x-total-count": String(total), link: links.join(", ") } });
  });

  app.post("/auth/v1/admin/users", async (c) => {
    const parsed = newUserSchema.safeParse(await c.req.json().catch(() => undefined));
    if (!parsed.success) {
      return parsed.error.issues.some(({ code }) => code === "unrecognized_keys")
        ? notImplemented()
        : authError(400, "validation_failed", z.prettifyError(parsed.error));
    }
    const { email, password, user_metadata, app_metadata } = parsed.data;
    const [taken] = await sql`select id from auth.users where email = ${email.toLowerCase()}`;
    if (taken) {
      return authError(
        422,
        "email_exists",
        "A user with this email address has already been registered",
      );
    }
    const signedUp = await ask(
      new Request(`${config.apiUrl}/auth/v1/signup`, {
        method: "POST",
        headers,
        body: JSON.stringify({ email, password, data: user_metadata }),
      }),
    );
    if (!signedUp.ok) return signedUp;
    const { id } = signedUpSchema.parse(await signedUp.json()).user;
    // Lite signs a new user in as well, which did not happen here.
    await sql`delete from auth.sessions where user_id = ${id}`;
    await sql`
      update auth.users
      set
        last_sign_in_at = null,
        -- Lite keeps the JSON as a text within the JSON.
        raw_app_meta_data = (raw_app_meta_data #>> '{}')::jsonb || ${sql.json(app_metadata)}
      where id = ${id}`;
    return await readUser(id);
  });

  app.use("/auth/v1/admin/users/:id", async (c, next) => {
    if (z.guid().safeParse(c.req.param("id")).success) return await next();
    return authError(404, "validation_failed", "user_id must be an UUID");
  });

  app.get("/auth/v1/admin/users/:id", async (c) => {
    const [found] = await sql`select id from auth.users where id = ${c.req.param("id")}`;
    return found ? await readUser(found.id) : userNotFound();
  });

  app.delete("/auth/v1/admin/users/:id", async (c) => {
    const { should_soft_delete } = await c.req.json().catch(() => ({}));
    if (should_soft_delete) return notImplemented();
    const [deleted] = await sql`
      delete from auth.users where id = ${c.req.param("id")} returning id`;
    return deleted ? Response.json({}) : userNotFound();
  });

  app.notFound(notImplemented);
  app.onError((error) => {
    throw error;
  });
  return app;
}

function userNotFound(): Response {
  return authError(404, "user_not_found", "User not found");
}

function notImplemented(): Response {
  return authError(501, "not_implemented", "The local stack does not have this part of Auth");
}
