import type { Bench } from "./bench.ts";

/** Calls a function with the secret key: @throws Error with the answer where it is no success */
export async function callFunction<Answer>(
  { stack: { env }, signal }: Bench,
  path: string,
  body: unknown,
): Promise<Answer> {
  const response = await fetch(`${env.FUNCTIONS_URL}/${path}`, {
    method: "POST",
    headers: { apikey: env.SECRET_KEY, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) {
    throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  }
  return await response.json();
}
