import { basename, join, relative, sep } from "node:path";

const QUIET_MS = 60;

/**
 * Watches the functions' sources: their own folders and `shared` beside them.
 *
 * @param folder the folder of functions
 * @param onChange the names of the functions whose source may have changed, once it has been quiet for a moment; "all" after a
 *   change in a file that several may import
 */
export async function watchSources(
  folder: string,
  onChange: (changed: Set<string> | "all") => void,
): Promise<never> {
  const shared = join(folder, "..", "shared");
  const watched = [folder, ...(isFolder(shared) ? [shared] : [])];
  let changed: Set<string> | "all" = new Set();
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const event of Deno.watchFs(watched)) {
    if (event.kind === "access") continue;
    for (const path of event.paths) {
      if (basename(path).startsWith(".")) continue;
      const parts = relative(folder, path).split(sep);
      if (parts[0] === ".." || parts.length < 2) {
        if (!isFolder(path)) changed = "all";
        else if (changed !== "all") changed.add(parts[0]!);
      } else if (changed !== "all") changed.add(parts[0]!);
    }
    clearTimeout(timer);
    timer = setTimeout(() => {
      const batch = changed;
      changed = new Set();
      onChange(batch);
    }, QUIET_MS);
  }
  throw new Error("the watcher ended");
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
