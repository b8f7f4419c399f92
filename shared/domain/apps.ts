/** The family's apps, and how a user meets them. */
export const apps = {
  aube: { name: "Phoenix Aube", url: "https://phoenix-aube.vercel.app" },
  cv: { name: "Phoenix CV", url: "https://phoenix-cv.onrender.com" },
  letters: { name: "Phoenix Letters", url: "https://phoenix-letters.onrender.com" },
  rise: { name: "Phoenix Rise", url: "https://phoenix-rise.vercel.app" },
  website: { name: "Phoenix", url: "https://phoenix-website.onrender.com" },
} as const;

export type App = keyof typeof apps;

/** An app's name without the prefix that Aube's documents put before it. */
export function slugOf(name: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

const prefix = "phoenix_";

/** Whether an event's source is one of the family's own apps. */
export function isApp(source: string): source is App {
  return Object.hasOwn(apps, source);
}
