import { reason, StackError } from "./stack-error.ts";

const HOST = "127.0.0.1";

// Below the range from which operating systems take the ports of outgoing connections, so that nobody borrows a port
// while its service is being restarted.
const LOWEST = 15_000;
const HIGHEST = 32_000;

/**
 * Whether a server could listen on this port of the loopback interface now.
 *
 * @throws the operating system's error, where something else than another listener stands in the way
 */
function isPortFree(port: number): boolean {
  try {
    Deno.listen({ hostname: HOST, port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/**
 * Waits until none of these ports is in use, for a while: processes that a killed supervisor has left end within a moment.
 *
 * @param ports 0 is none
 */
export async function portsFree(ports: readonly number[], withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  const inUse = (port: number) => {
    try {
      return port !== 0 && !isPortFree(port);
    } catch {
      return false;
    }
  };
  while (ports.some(inUse) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A port that is free now and that nobody in this process was given before. */
export function freePort(): number {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (handedOut.has(port) || !isPortFree(port)) continue;
    handedOut.add(port);
    return port;
  }
  throw new StackError(`No free port between ${LOWEST} and ${HIGHEST}: close some servers.`);
}

const handedOut = new Set<number>();

/**
 * The port a service will listen on.
 *
 * @param wanted the port asked for; 0 or nothing for any free one
 * @param remedy what to do when the wanted port is taken, as the end of a sentence
 */
export function choosePort(wanted: number | undefined, remedy: string): number {
  if (!wanted) return freePort();
  try {
    if (isPortFree(wanted)) {
      handedOut.add(wanted);
      return wanted;
    }
  } catch (error) {
    throw new StackError(`Port ${wanted} cannot be used (${reason(error)}): ${remedy}.`);
  }
  throw new StackError(`Port ${wanted} is in use: stop what listens there, or ${remedy}.`);
}
