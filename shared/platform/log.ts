/** Where what happens is told; given by the caller, so that nothing prints by itself. */
export type Log = (
  level: "debug" | "info" | "warn" | "error",
  message: string,
  fields?: Record<string, unknown>,
) => void;

/**
 * A log that writes one JSON object a line to standard output, as Supabase collects it. What is logged never holds a payload, a
 * name or an address: callers give ids, counts and durations.
 */
export function createLog(service: string): Log {
  return (level, message, fields) => {
    console.log(
      JSON.stringify({
        timestamp: new Date().toISOString(),
        level,
        service,
        message,
        ...fields,
      }),
    );
  };
}
