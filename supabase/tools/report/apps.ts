/** The family's apps in the order in which they are shown, and the flywheel, which tells what it did itself. */
const FAMILY = ["aube", "cv", "letters", "rise", "website"];
const FLYWHEEL = "flywheel";

/** What stands for the apps beyond those that fit. */
export const OTHER_APPS = "other apps";

/**
 * Apps in the order in which they are shown: the family, then others from the largest down, the flywheel last.
 *
 * @param sizes how much each has, by its name
 * @param most how many to name; what is left is one, {@link OTHER_APPS}
 */
export function appOrder(sizes: ReadonlyMap<string, number>, most = 8): string[] {
  const others = [...sizes.keys()].filter((app) => !FAMILY.includes(app) && app !== FLYWHEEL)
    .sort((a, b) => sizes.get(b)! - sizes.get(a)! || a.localeCompare(b));
  const named = [...FAMILY.filter((app) => sizes.has(app)), ...others];
  const last = sizes.has(FLYWHEEL) ? [FLYWHEEL] : [];
  const room = most - last.length;
  if (named.length <= room) return [...named, ...last];
  return [...named.slice(0, room - 1), OTHER_APPS, ...last];
}

const COLOURS: Record<string, string> = {
  aube: "#e8590c",
  cv: "#1971c2",
  letters: "#2f9e44",
  rise: "#9c36b5",
  website: "#f2b705",
  [FLYWHEEL]: "#adb5bd",
  [OTHER_APPS]: "#495057",
};
const FURTHER_COLOURS = [
  "#0c8599",
  "#c2255c",
  "#66a80f",
  "#5f3dc4",
  "#a0522d",
  "#3bc9db",
  "#e599f7",
];

/** A colour for each, the family's apps always in theirs. */
export function appColours(apps: readonly string[]): string[] {
  const further = FURTHER_COLOURS.values();
  return apps.map((app) => COLOURS[app] ?? further.next().value ?? COLOURS[OTHER_APPS]!);
}
