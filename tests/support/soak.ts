/** Whether tests take the time they would like to have (`PHOENIX_SOAK=1`) instead of what a regular run can spare. */
export const isSoak = Deno.env.get("PHOENIX_SOAK") === "1";
