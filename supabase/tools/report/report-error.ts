/** Why there is no report, in a sentence for the person who asked for it. */
export class ReportError extends Error {}
