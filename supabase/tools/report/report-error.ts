/** Why there is no report, in a sentence for whoever asked for it. */
export class ReportError extends Error {}
