/** A chart's numbers as a table. Each cell carries the number with all its digits beside the one that is shown. */

import type { JSX } from "preact";
import { useApp } from "../app";
import type { TableData } from "../lib/csv";
import { shown, title } from "../lib/text";

const MOST_ROWS = 500;

export function DataTable({ table, caption }: { table: TableData; caption: string }): JSX.Element {
  const { t, format } = useApp();
  const rows = table.rows.slice(0, MOST_ROWS);
  const numeric = table.columns.map((_, c) => rows.some((row) => typeof row[c] === "number"));
  // Whole numbers stay whole; others have as many decimals as the rest of their column.
  const texts = table.columns.map((_, c) => {
    const found = rows.flatMap((row) => (typeof row[c] === "number" ? [row[c]] : []));
    return found.every(Number.isInteger) ? (value: number) => format.value(value, "") : format.series(found);
  });
  return (
    <div class="xd-table-frame" tabIndex={0} role="region" aria-label={caption}>
      <table class="xd-table">
        <thead>
          <tr>
            {table.columns.map((name, c) => (
              <th key={c} scope="col" class={numeric[c] ? "xd-numeric" : undefined} title={title(name)}>
                <bdi>{shown(name, 80)}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, r) => (
            <tr key={r}>
              {row.map((value, c) =>
                typeof value === "number" ? (
                  <td key={c} class="xd-numeric" data-value={value} title={String(value)}>
                    {texts[c](value)}
                  </td>
                ) : (
                  <td
                    key={c}
                    class={numeric[c] ? "xd-numeric" : undefined}
                    title={value === null ? undefined : title(String(value))}
                  >
                    <bdi>{value === null ? "–" : shown(String(value), 80)}</bdi>
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {table.rows.length > MOST_ROWS && (
        <p class="xd-note">{t("chart.tooLong", { n: MOST_ROWS, total: table.rows.length })}</p>
      )}
    </div>
  );
}
