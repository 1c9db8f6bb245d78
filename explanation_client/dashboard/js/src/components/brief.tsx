/** A small table of which all is shown: names at the left, a column for each thing that is compared. */

import type { JSX } from "preact";
import { useApp } from "../app";
import { toCsv, type TableData } from "../lib/csv";
import { fileName } from "../lib/save";
import { Button } from "./controls";
import { Name } from "./name";

interface BriefTableProps {
  title: string;
  table: TableData;
  /** How a number is written; by default with four digits. */
  text?(value: number, row: number): string;
}

export function BriefTable({ title, table, text }: BriefTableProps): JSX.Element {
  const { t, format, saver, explanation } = useApp();
  const numeric = table.columns.map((_, c) => c > 0 && table.rows.some((row) => typeof row[c] === "number"));
  const [, ...heads] = table.columns;
  const save = (): void => saver.text(`${fileName(title, explanation.info.id.slice(-6))}.csv`, "text/csv", toCsv(table));
  return (
    <div class="xd-brief">
      <div class="xd-table-frame xd-table-fit" tabIndex={0} role="region" aria-label={title}>
        <table class="xd-table">
          <thead>
            <tr>
              <td />
              {heads.map((name, i) => (
                <th key={i} scope="col" class={numeric[i + 1] ? "xd-numeric" : undefined}>
                  <Name text={name} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map(([name, ...values], r) => (
              <tr key={r}>
                <th scope="row">{name}</th>
                {values.map((value, c) =>
                  typeof value === "number" ? (
                    <td key={c} class="xd-numeric" data-value={Number.isNaN(value) ? undefined : value}>
                      {Number.isNaN(value) ? "–" : (text?.(value, r) ?? format.number(value))}
                    </td>
                  ) : (
                    <td key={c} class={numeric[c + 1] ? "xd-numeric" : undefined}>
                      <Name text={value === null ? "–" : String(value)} />
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Button kind="quiet" onClick={save}>
        {t("chart.csv")}
      </Button>
    </div>
  );
}
