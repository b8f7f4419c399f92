import { fileURLToPath } from "node:url";

/** Where a schema stands. */
export interface SchemaPlaces {
  /** Path of the script that names the source's files. */
  script: string;
  /** The folder of migrations. */
  migrations: string;
}

/** Where this project's schema stands. */
export const PROJECT_SCHEMA: SchemaPlaces = {
  script: projectPath("sql/install.sql"),
  migrations: projectPath("supabase/migrations"),
};

/** What `npm run db:types` writes. */
export const TYPES_FILE = projectPath("shared/platform/database.types.ts");

function projectPath(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}
