import type { z } from "zod";
import { firstSaid } from "../first-said.ts";
import { either, list, name, object, optional, percent, score, text } from "./fields.ts";

/**
 * Something that has a name, such as a skill, a value or a job: the name alone, or an object that
 * carries it under the app's own key.
 */
export const named = either("a text of 1 to 500 characters or an object", [
  name(),
  object({
    nom: optional(text(), "Its name."),
    name: optional(text(), "Its name, from an app that writes English."),
    métier: optional(text(), "The name of a job."),
    métier_titre: optional(text(), "The name of a job, as Aube's recommendations write it."),
    titre: optional(text(), "Its title."),
    score_compatibilité: optional(score, "How well it fits the user."),
    score_ia_résistance: optional(score, "How well it resists automation by AI."),
  }),
]);

export const namedList = list(named);

/** The five traits, each from 0 (low) to 1 (high). */
export const bigFive = object({
  openness: optional(score, "Curiosity and imagination."),
  conscientiousness: optional(score, "Order and perseverance."),
  extraversion: optional(score, "Energy drawn from others."),
  agreeableness: optional(score, "Kindness and cooperation."),
  neuroticism: optional(score, "Tendency to worry."),
});

/** Holland's six interests: the dominant ones in order, or each with its score from 0 to 100. */
export const riasec = either("a list of at most 12 interests or an object", [
  list(text(50), 12),
  object({
    Realistic: optional(percent, "Working with things."),
    Investigative: optional(percent, "Working with ideas."),
    Artistic: optional(percent, "Creating."),
    Social: optional(percent, "Helping people."),
    Enterprising: optional(percent, "Leading people."),
    Conventional: optional(percent, "Working with data and order."),
  }),
]);

export const personalityInsights = object({
  big_five: optional(bigFive, "The Big Five traits, each from 0 to 1."),
  riasec: optional(riasec, "Holland's interests, the dominant ones first."),
});

type Named = z.output<typeof named>;

/** The names in a list of named things, in its order; things without one are left out. */
export function namesOf(things: readonly Named[] | null | undefined): string[] {
  return (things ?? []).flatMap((thing) => {
    if (typeof thing === "string") return firstSaid(thing) ?? [];
    const { nom, name, métier, métier_titre, titre } = thing;
    return firstSaid(nom, name, métier, métier_titre, titre) ?? [];
  });
}
