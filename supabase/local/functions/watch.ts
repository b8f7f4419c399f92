import { basename, dirname, join, relative, sep } from "node:path";

const QUIET_MS = 60;

/**
 * Watches the functions' sources: their own folders and `shared` beside them, each also where it is replaced by another of its name.
 *
 * @param folder the folder of functions
 * @param onChange the names of the functions whose source may have changed, once it has been quiet for a moment; "all" after a
 *   change in a file that several may import
 */
export async function watchSources(
  folder: string,
  onChange: (changed: Set<string> | "all") => void,
): Promise<never> {
  const roots = [folder, join(dirname(folder), "shared")];
  let changed: Set<string> | "all" = new Set();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function note(paths: string[]): void {
    for (const path of paths) {
      if (basename(path).startsWith(".")) continue;
      const [name, ...rest] = relative(folder, path).split(sep);
      const isShared = name === ".." || name === "" || (rest.length === 0 && !isFolder(path));
      if (isShared) changed = "all";
      else if (changed !== "all") changed.add(name!);
    }
    clearTimeout(timer);
    timer = setTimeout(() => {
      const batch = changed;
      changed = new Set();
      onChange(batch);
    }, QUIET_MS);
  }

  let watcher = Deno.watchFs(roots.filter(isFolder));
  // A folder that was replaced is watched no more, and nobody says so: that is seen in the folder around it.
  const around = Deno.watchFs(dirname(folder), { recursive: false });
  void (async () => {
    for await (const { kind, paths } of around) {
      const isReplaced = kind !== "access" && kind !== "modify" &&
        paths.some((path) => roots.includes(path) && isFolder(path));
      if (isReplaced) watcher.close();
    }
  })();
  while (true) {
    for await (const { kind, paths } of watcher) if (kind !== "access") note(paths);
    watcher = Deno.watchFs(roots.filter(isFolder));
    note(roots);
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
