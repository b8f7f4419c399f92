import type { EventType } from "../events/catalogue.ts";
import { asKnown, type KnownEvent } from "../events/known-event.ts";
import { namesOf } from "../events/profile.ts";
import { firstSaid } from "../first-said.ts";
import { murmur3 } from "../murmur3.ts";
import { type Reactor, type State, stateOf } from "../reactor.ts";

/** How a job was estimated to stand towards AI. */
export interface Rating {
  /** When it was last: milliseconds since 1970. */
  readonly at: number;
  /** From 0 to 1. */
  readonly score_ia_résistance?: number;
  /** How the job stands towards AI, in Aube's words. */
  readonly ia_narrative?: string;
  /** Whether the job passed Aube's validation. */
  readonly validé?: boolean;
}

/** A job, and what is known of it. */
export interface Job {
  readonly métier: string;
  readonly rating?: Rating | undefined;
}

/** A job that was chosen. */
export interface Choice extends Job {
  /** When it was, milliseconds since 1970; where it was chosen several times, the first time since another one was. */
  readonly at: number;
  /** When another job was chosen last before it. */
  readonly other_at?: number;
  /** When it was chosen again last. */
  readonly again_at?: number;
  /** Skills to put forward for this job. */
  readonly compétences_à_valoriser?: readonly string[];
  /** Strengths to put forward for this job. */
  readonly skills_to_highlight?: readonly string[];
}

/**
 * What is left of an older estimate: the hash of the job's {@link jobKey}, when it was estimated, in milliseconds since 1970, and whether
 * it passed Aube's validation.
 */
type Verdict = readonly [job: number, at: number, validé: boolean];

/**
 * Who a user is for the next app: what they said and what was found out about them. What nobody said is not there.
 * Lists are short and their items too, whatever was sent: see {@link kept}.
 */
export interface Profile {
  readonly valeurs?: readonly string[];
  readonly motivations?: readonly string[];
  /** Every skill. */
  readonly compétences?: readonly string[];
  /** Skills to put forward, whatever the job. */
  readonly compétences_à_valoriser?: readonly string[];
  /** Strengths to put forward. */
  readonly skills_to_highlight?: readonly string[];
  /** The Big Five traits, each from 0 to 1. */
  readonly big_five?: Readonly<Record<string, number>>;
  /** Holland's interests, the dominant ones first. */
  readonly riasec?: readonly string[];
  /** The recommended jobs, best first. */
  readonly recommandations?: readonly Job[];
  /** When others were recommended last before these: milliseconds since 1970. */
  readonly recommended_before?: number;
  /** The jobs whose resistance to AI was estimated, the latest last. */
  readonly validations?: readonly Job[];
  /** Whether jobs that were estimated before those had passed, the latest last. */
  readonly verdicts?: readonly Verdict[];
  /** The job chosen last, with what is known of it. */
  readonly choix?: Choice;
  /** 0 is calm, 1 is very anxious; as said last. */
  readonly anxiety_level?: number;
  /** Where a comparison with an offer showed that the user may grow. */
  readonly gaps?: readonly string[];
  /** When each of these was said, milliseconds since 1970: what was said before that and comes late is history. A job has its own times. */
  readonly said_at?: Readonly<Partial<Record<keyof Said, number>>>;
}

/** What is said of a user at some time. */
type Said = Omit<
  Profile,
  "recommended_before" | "validations" | "verdicts" | "choix" | "said_at"
>;

/** The types of the events that tell of a user. */
export const profileTypes = [
  "exploration_commencée",
  "valeurs_explorées",
  "compétences_révélées",
  "tests_psychométriques_complétés",
  "mood.logged",
  "recommandations_générées",
  "validation_ia_effectuée",
  "métier_choisi",
  "mirror_match.performed",
] as const satisfies readonly EventType[];

/** How much a profile keeps of any list, and of any text in characters. */
export const kept = { items: 20, jobs: 5, interest: 50, text: 100, narrative: 300 } as const;

/** Folds an event into a profile. What is said later replaces what was said before; what is left out stays. */
export function foldProfile(profile: Profile, event: KnownEvent): Profile {
  const { timestamp } = event;
  switch (event.event_type) {
    case "exploration_commencée":
      return merge(profile, timestamp, { motivations: texts(event.payload.motivations) });
    case "valeurs_explorées":
      return merge(profile, timestamp, { valeurs: names(event.payload.valeurs) });
    case "compétences_révélées": {
      const { payload } = event;
      return merge(profile, timestamp, {
        compétences: names([
          ...payload.compétences ?? [],
          ...payload.compétences_transférables ?? [],
        ]),
        compétences_à_valoriser: names(payload.compétences_à_valoriser),
        skills_to_highlight: names(payload.skills_to_highlight),
      });
    }
    case "tests_psychométriques_complétés": {
      const { personality_insights, big_five, riasec, anxiety_level } = event.payload;
      return merge(profile, timestamp, {
        big_five: traits(big_five ?? personality_insights?.big_five),
        riasec: interests(riasec ?? personality_insights?.riasec),
        anxiety_level,
      });
    }
    case "mood.logged":
      return merge(profile, timestamp, { anxiety_level: event.payload.anxiety_level });
    case "recommandations_générées": {
      const { recommandations, top_métier } = event.payload;
      const jobs = jobsIn(recommandations ?? [], timestamp);
      const best = jobOf(top_métier ?? "", {}, timestamp);
      return recommend(profile, jobs.length === 0 && best ? [best] : jobs, timestamp);
    }
    case "validation_ia_effectuée":
      return foldValidation(profile, event.payload, timestamp);
    case "métier_choisi": {
      const { payload } = event;
      const job = jobOf(payload.métier, payload, timestamp);
      if (!job) return profile;
      const skills = texts(payload.compétences_à_valoriser);
      const strengths = texts(payload.skills_to_highlight);
      const choix = choose(profile, {
        ...job,
        at: timestamp,
        ...(skills.length > 0 && { compétences_à_valoriser: skills }),
        ...(strengths.length > 0 && { skills_to_highlight: strengths }),
      });
      return { ...profile, choix };
    }
    case "mirror_match.performed":
      return merge(profile, timestamp, { gaps: texts(event.payload.gaps) });
    default:
      return profile;
  }
}

/** Remembers who the user is, for the apps that they move on to. */
export const profile: Reactor<Profile> = {
  name: "profile",
  version: 8,
  initial: {},
  react: (state, event) => ({ state: foldProfile(state, asKnown(event)) }),
};

/** Whether two names are of the same job, however they are written, and as far as a profile keeps them. */
export function isSameJob(one: string, other: string): boolean {
  return jobKey(one) === jobKey(other);
}

/** What a job is recognised by, however it is written: short, whatever was sent. */
export function jobKey(métier: string): string {
  return Array.from(inOneLine(métier).toLowerCase()).slice(0, 80).join("");
}

/** What is known of a user, from what the reactors remember. */
export function readProfile(states: State): Profile {
  return stateOf(profile, states);
}

function recommend(profile: Profile, recommandations: readonly Job[], at: number): Profile {
  const told = merge(profile, at, { recommandations });
  const before = profile.said_at?.recommandations;
  if (before === undefined || recommandations.length === 0) return told;
  const recommended_before = Math.max(
    profile.recommended_before ?? -Infinity,
    Math.min(before, at),
  );
  return { ...told, recommended_before };
}

interface Validation {
  readonly métier?: string | null | undefined;
  readonly score_ia_résistance?: number | null | undefined;
  readonly score_résistance?: number | null | undefined;
  readonly ia_resistance_score?: number | null | undefined;
  readonly ia_narrative?: string | null | undefined;
  readonly validé?: boolean | null | undefined;
}

function foldValidation(profile: Profile, said: Validation, at: number): Profile {
  const score_ia_résistance = said.score_ia_résistance ?? said.score_résistance ??
    said.ia_resistance_score;
  const { ia_narrative, validé } = said;
  const métier = firstSaid(said.métier) ?? lookedAt(profile, at)?.métier;
  const job = jobOf(métier, { score_ia_résistance, ia_narrative, validé }, at);
  if (!job) return profile;
  const isIt = (other: Job) => isSameJob(other.métier, job.métier);
  const { choix, validations = [], verdicts = [] } = profile;
  const hash = hashOf(job);
  const known = validations.find(isIt) ?? verdictOn(job, profile);
  const estimated = [
    ...validations.filter((each) => each !== known),
    { ...job, rating: together(known, job) },
  ].sort((a, b) => (a.rating?.at ?? 0) - (b.rating?.at ?? 0));
  const others = verdicts.filter(([each]) => each !== hash);
  const shortened = estimated.slice(0, -kept.jobs).flatMap(verdictOf);
  return {
    ...profile,
    validations: estimated.slice(-kept.jobs),
    ...(verdicts.length + shortened.length > 0 && {
      verdicts: [...others, ...shortened].slice(-kept.items),
    }),
    ...(choix && isIt(choix) && { choix: { ...choix, rating: together(choix, job) } }),
  };
}

function verdictOf(job: Job): Verdict[] {
  const { at, validé } = job.rating ?? {};
  return at === undefined || validé === undefined ? [] : [[hashOf(job), at, validé]];
}

/** The job with what the remembered verdict says of it; undefined where there is none. */
function verdictOn(job: Job, { verdicts = [] }: Profile): Job | undefined {
  const hash = hashOf(job);
  const verdict = verdicts.find(([each]) => each === hash);
  if (!verdict) return undefined;
  const [, at, validé] = verdict;
  return { métier: job.métier, rating: { at, validé } };
}

function hashOf({ métier }: Job): number {
  return murmur3(jobKey(métier));
}

/**
 * The job that an estimate without a name is about: the one that the user looked at then, which is the chosen one, or what was
 * recommended since. Of earlier choices and recommendations only the time of the last is remembered: an estimate from then is about no
 * job that is known.
 */
function lookedAt(
  { choix, recommandations: [best] = [], recommended_before, said_at }: Profile,
  at: number,
): Job | undefined {
  const byThen = (time: number | undefined) => time !== undefined && time <= at ? time : -Infinity;
  const chosen = Math.max(byThen(choix?.at), byThen(choix?.again_at));
  const recommended = byThen(said_at?.recommandations);
  const known = Math.max(chosen, recommended);
  const forgotten = Math.max(byThen(choix?.other_at), byThen(recommended_before));
  if (known === -Infinity || known < forgotten) return undefined;
  return chosen >= recommended ? choix : best;
}

/**
 * The choice after one more, with what is known of the job. A choice of another job that was made before the last one and comes late is
 * history, and so is a choice of the same job before that other one.
 */
function choose(profile: Profile, said: Choice): Choice {
  const { choix: before, recommandations = [], validations = [] } = profile;
  const isIt = (job: Job | undefined) => job !== undefined && isSameJob(job.métier, said.métier);
  const isLate = before !== undefined && said.at < lastChosen(before);
  const known = [verdictOn(said, profile), ...recommandations, ...validations, before, said];
  const rating = together(...known.filter(isIt));
  if (!before) return { ...said, rating };
  const { other_at = -Infinity } = before;
  if (!isIt(before)) {
    if (!isLate) return { ...said, rating, other_at: lastChosen(before) };
    const at = said.at < before.at ? before.at : lastChosen(before);
    return { ...before, at, other_at: Math.max(other_at, said.at) };
  }
  if (said.at < other_at) return before;
  const [earlier, later] = isLate ? [said, before] : [before, said];
  return {
    ...earlier,
    ...later,
    rating,
    at: Math.min(before.at, said.at),
    again_at: Math.max(lastChosen(before), said.at),
  };
}

function lastChosen({ at, again_at }: Choice): number {
  return again_at ?? at;
}

/**
 * What is known of a job by all its ratings: what was said last counts. Words about its resistance go once another one is
 * estimated; that it passed, or did not, stands until that is said anew.
 */
function together(...jobs: (Job | undefined)[]): Rating | undefined {
  const ratings = jobs.flatMap((job) => job?.rating ?? []).sort((a, b) => a.at - b.at);
  if (ratings.length === 0) return undefined;
  return ratings.reduce(({ ia_narrative, ...before }, after) => {
    const known = before.score_ia_résistance ?? after.score_ia_résistance;
    const stands = known === (after.score_ia_résistance ?? known);
    return { ...before, ...(ia_narrative && stands && { ia_narrative }), ...after };
  });
}

interface SaidRating {
  readonly score_ia_résistance?: number | null | undefined;
  readonly ia_narrative?: string | null | undefined;
  readonly validé?: boolean | null | undefined;
}

/** The recommended jobs that have a name, the first few. */
function jobsIn(recommended: NonNullable<Parameters<typeof namesOf>[0]>, at: number): Job[] {
  return recommended.flatMap((recommendation) => {
    const [métier] = namesOf([recommendation]);
    const said = typeof recommendation === "string" ? {} : recommendation;
    return jobOf(métier, said, at) ?? [];
  }).slice(0, kept.jobs);
}

/** A job as it was rated at a time; undefined where its name says nothing. */
function jobOf(said: string | undefined, rating: SaidRating, at: number): Job | undefined {
  const métier = cut(said ?? "");
  if (!métier) return undefined;
  const { score_ia_résistance, ia_narrative, validé } = rating;
  const rated = {
    ...(score_ia_résistance != null && { score_ia_résistance }),
    ...(ia_narrative && { ia_narrative: cut(ia_narrative, kept.narrative) }),
    ...(validé != null && { validé }),
  };
  return { métier, ...(Object.keys(rated).length > 0 && { rating: { at, ...rated } }) };
}

/** The profile with what was said at a time. A field that is absent or empty changes nothing, nor does one that was said before the known one. */
function merge(
  profile: Profile,
  at: number,
  said: { readonly [Key in keyof Said]: Said[Key] | null | undefined },
): Profile {
  let merged = profile;
  for (const key in said) {
    const field = key as keyof Said;
    const value = said[field];
    if (value == null || (Array.isArray(value) && value.length === 0)) continue;
    if (at < (profile.said_at?.[field] ?? -Infinity)) continue;
    merged = { ...merged, [field]: value, said_at: { ...merged.said_at, [field]: at } };
  }
  return merged;
}

function names(things: Parameters<typeof namesOf>[0]): string[] {
  return texts(namesOf(things));
}

/** Each text once, in its order. */
function texts(said: readonly string[] | null | undefined): string[] {
  const clean = (said ?? []).map((text) => cut(text)).filter((text) => text !== "");
  return [...new Set(clean)].slice(0, kept.items);
}

function cut(said: string, length: number = kept.text): string {
  const text = inOneLine(said);
  if (text.length <= length) return text;
  // By code points, so that no character is cut in half.
  const characters = [...text];
  return characters.length <= length ? text : characters.slice(0, length - 1).join("") + "…";
}

const blank = /[\s\p{Cc}]+/gu;
/** What turns the direction in which a text is read, and that of the message around it. */
const turning = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/** A text that can stand within a message. */
function inOneLine(text: string): string {
  return text.replace(turning, "").replace(blank, " ").trim();
}

const bigFive = [
  "openness",
  "conscientiousness",
  "extraversion",
  "agreeableness",
  "neuroticism",
] as const;

function traits(
  said: Readonly<Record<string, unknown>> | null | undefined,
): Record<string, number> | undefined {
  const known = bigFive.flatMap((trait) => {
    const value = said?.[trait];
    return typeof value === "number" ? [[trait, value] as const] : [];
  });
  return known.length > 0 ? Object.fromEntries(known) : undefined;
}

/** A Holland code has three letters: of interests with scores, the three highest. */
function interests(said: readonly string[] | Record<string, unknown> | null | undefined): string[] {
  if (!said) return [];
  if (Array.isArray(said)) return texts(said);
  return Object.entries(said)
    .flatMap(([name, score]) => typeof score === "number" && score > 0 ? [{ name, score }] : [])
    .sort((a, b) => b.score - a.score)
    .slice(0, 3)
    .map(({ name }) => cut(name, kept.interest));
}
