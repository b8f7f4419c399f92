/** `npm start`: boots the backend and stays until Ctrl-C or SIGTERM. */
import { settings } from "./settings.ts";
import { StackError } from "./stack-error.ts";
import { startStack } from "./stack.ts";

try {
  const stack = await startStack({
    ...settings(),
    log: (l) => console.log(`${l.service.padEnd(13)}| ${l.text}`),
  });
  console.log(stack.env, stack.bootMs);
  const stop = async () => {
    await stack.stop();
    Deno.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, stop);
  }
} catch (error) {
  console.error(error instanceof StackError ? error.message : error);
  Deno.exit(1);
}
