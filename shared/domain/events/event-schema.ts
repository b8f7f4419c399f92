import type { z } from "zod";
import { object } from "./fields.ts";

/** What the catalogue says about an event type, for people. */
interface About<Fields> {
  /** Said in a few words. */
  readonly title: string;
  /** What happened, and what the flywheel makes of it. */
  readonly description: string;
  /** Realistic payloads. */
  readonly examples: readonly [Fields, ...Fields[]];
}

/** The schema of an event type's payload: its known fields, with whatever else the app sends. */
export function eventSchema<Shape extends z.ZodRawShape>(
  fields: Shape,
  about: About<z.input<z.ZodObject<Shape, z.core.$loose>>>,
): z.ZodObject<Shape, z.core.$loose> {
  return object(fields).meta({ ...about, examples: [...about.examples] });
}
