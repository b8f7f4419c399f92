import { createHash } from "node:crypto";
import { join } from "node:path";
import { Hono } from "hono";
import { z } from "zod";

const Metadata = z.object({
  name: z.string(),
  entrypoint_path: z.string(),
  import_map_path: z.string(),
  verify_jwt: z.boolean().optional(),
});
const Activation = z.array(z.object({ slug: z.string() }));
const NewSecrets = z.array(z.object({ name: z.string(), value: z.string() }));

/** What the Supabase CLI uploaded for one function. */
export interface Upload {
  metadata: z.infer<typeof Metadata>;
  /** Contents by path, relative to the project's folder. */
  files: ReadonlyMap<string, Uint8Array>;
  version: number;
}

/** Supabase's Management API on loopback, as far as deploying needs it. It keeps what it is given. */
export interface ManagementApi {
  projectRef: string;
  accessToken: string;
  /** A profile file for the Supabase CLI that points here. */
  profile: string;
  functions: ReadonlyMap<string, Upload>;
  secrets: ReadonlyMap<string, string>;
  /** Method and path of every request that was not a GET. */
  writes: readonly string[];
  /** From now on answers such requests with this status; `undefined` ends it. */
  failOn(path: string, method: string, status: number | undefined): void;
  /** Counts a function's version up, as a deployment from elsewhere would. */
  deployElsewhere(slug: string): void;
  stop(): Promise<void>;
}

/** @param folder where to write the profile */
export async function startManagementApi(folder: string): Promise<ManagementApi> {
  const projectRef = "phoenixphoenixphoeni";
  const accessToken = `sbp_${"0123456789".repeat(4)}`;
  const functions = new Map<string, Upload>();
  const uploaded = new Map<string, Upload>();
  const secrets = new Map<string, string>();
  const writes: string[] = [];
  const failures = new Map<string, number>();

  const app = new Hono().basePath(`/v1/projects/${projectRef}`);
  app.use("*", async (context, next) => {
    if (context.req.method !== "GET") writes.push(`${context.req.method} ${context.req.path}`);
    if (context.req.header("authorization") !== `Bearer ${accessToken}`) {
      return context.json({ message: "Unauthorized" }, 401);
    }
    const path = context.req.path.slice(`/v1/projects/${projectRef}`.length);
    const failure = failures.get(`${context.req.method} ${path}`);
    if (failure) return Response.json({ message: "refused by the test" }, { status: failure });
    await next();
  });

  app.get("/", (context) =>
    context.json({
      id: projectRef,
      ref: projectRef,
      organization_id: "phoenix",
      organization_slug: "phoenix",
      name: "phoenix",
      region: "eu-west-3",
      created_at: new Date(0).toISOString(),
      status: "ACTIVE_HEALTHY",
      database: {
        host: "127.0.0.1",
        version: "17",
        postgres_engine: "17",
        release_channel: "ga",
      },
    }));

  app.post("/functions/deploy", async (context) => {
    const slug = z.string().parse(context.req.query("slug"));
    const form = await context.req.formData();
    const files = new Map<string, Uint8Array>();
    for (const part of form.getAll("file")) {
      if (part instanceof File) files.set(part.name, await part.bytes());
    }
    const upload = {
      metadata: Metadata.parse(JSON.parse(z.string().parse(form.get("metadata")))),
      files,
      version: (functions.get(slug)?.version ?? 0) + 1,
    };
    // The CLI uploads several functions one by one, bundle only, and then makes all of them active at once.
    const kept = context.req.query("bundleOnly") === "true" ? uploaded : functions;
    kept.set(slug, upload);
    return context.json(describe(slug, upload), 201);
  });

  app.get(
    "/functions",
    (context) => context.json([...functions].map(([slug, upload]) => describe(slug, upload))),
  );

  app.put("/functions", async (context) => {
    for (const { slug } of Activation.parse(await context.req.json())) {
      const upload = uploaded.get(slug);
      if (!upload) return context.json({ message: `${slug} was never uploaded` }, 400);
      functions.set(slug, upload);
    }
    return context.json({
      functions: [...functions].map(([slug, upload]) => describe(slug, upload)),
    });
  });

  app.get("/secrets", (context) =>
    context.json(
      [...secrets].map(([name, value]) => ({
        name,
        value: createHash("sha256").update(value).digest("hex"),
        updated_at: new Date(0).toISOString(),
      })),
    ));

  app.post("/secrets", async (context) => {
    for (const { name, value } of NewSecrets.parse(await context.req.json())) {
      secrets.set(name, value);
    }
    return context.body(null, 201);
  });

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  const url = `http://127.0.0.1:${server.addr.port}`;
  const profile = join(folder, "profile.yaml");
  await Deno.writeTextFile(
    profile,
    `name: stub\napi_url: ${url}\ndashboard_url: ${url}\nproject_host: 127.0.0.1\n`,
  );

  return {
    projectRef,
    accessToken,
    profile,
    functions,
    secrets,
    writes,
    failOn(path, method, status) {
      if (status === undefined) failures.delete(`${method} ${path}`);
      else failures.set(`${method} ${path}`, status);
    },
    deployElsewhere(slug) {
      const upload = functions.get(slug);
      if (upload) functions.set(slug, { ...upload, version: upload.version + 1 });
    },
    stop: () => server.shutdown(),
  };
}

function describe(slug: string, { metadata, files, version }: Upload) {
  const hash = createHash("sha256");
  for (const content of files.values()) hash.update(content);
  return {
    id: `00000000-0000-4000-8000-${slug.length.toString().padStart(12, "0")}`,
    slug,
    name: metadata.name,
    status: "ACTIVE",
    version,
    created_at: 0,
    updated_at: 0,
    verify_jwt: metadata.verify_jwt ?? true,
    import_map: metadata.import_map_path !== "",
    entrypoint_path: `file:///src/${metadata.entrypoint_path}`,
    import_map_path: `file:///src/${metadata.import_map_path}`,
    ezbr_sha256: hash.digest("hex"),
  };
}
