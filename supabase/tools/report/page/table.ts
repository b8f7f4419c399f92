import { html } from "hono/html";
import type { Html } from "./html.ts";

export interface Column<Row> {
  title: string;
  cell(row: Row): string;
  /** Whether its cells are numbers, and so stand to the right. */
  numeric?: boolean;
}

/** A table of values, every one of them escaped; nothing where there are none. */
export function table<Row>(
  caption: string,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Html {
  if (rows.length === 0) return html``;
  const side = ({ numeric }: Column<Row>) => numeric ? "number" : "text";
  return html`
    <table>
      <caption>${caption}</caption>
      <thead>
        <tr>${columns.map((column) =>
          html`<th scope="col" class="${side(column)}">${column.title}</th>`
        )}</tr>
      </thead>
      <tbody>${rows.map((row) =>
        html`
          <tr>${columns.map((column) =>
            html`<td class="${side(column)}">${column.cell(row)}</td>`
          )}</tr>
        `
      )}</tbody>
    </table>
  `;
}
