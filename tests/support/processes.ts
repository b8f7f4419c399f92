/** The processes that descend from one, itself included. */
export async function descendants(pid: number): Promise<number[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-eo", "pid=,ppid="] }).output();
  const pairs = new TextDecoder().decode(stdout).trim().split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found = [pid];
  for (const parent of found) {
    found.push(...pairs.filter(([, ppid]) => ppid === parent).map(([child]) => child));
  }
  return found;
}

/** Those of some processes that are still alive; a process that only waits for its parent to take note is not. */
export async function alive(pids: number[]): Promise<number[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-eo", "pid=,stat="] }).output();
  const running = new Set(
    new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.trim().split(/\s+/))
      .filter(([, stat]) => !stat!.startsWith("Z")).map(([pid]) => Number(pid)),
  );
  return pids.filter((pid) => running.has(pid));
}
