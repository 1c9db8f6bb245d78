/** What is known of the point under the pointer. */

import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

export type Fact = readonly [name: string, value: string];

interface TooltipProps {
  x: number;
  y: number;
  /** Width of the chart that it must stay inside. */
  width: number;
  title: string;
  facts: readonly Fact[];
}

export function Tooltip({ x, y, width, title, facts }: TooltipProps): JSX.Element {
  const ref = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const box = ref.current;
    if (box && (box.offsetWidth !== size.width || box.offsetHeight !== size.height))
      setSize({ width: box.offsetWidth, height: box.offsetHeight });
  });
  const left = Math.max(0, x + 14 + size.width > width ? x - 14 - size.width : x + 14);
  const top = Math.max(0, y - size.height / 2);
  return (
    <div ref={ref} class="xd-tooltip" role="presentation" style={{ left: `${left}px`, top: `${top}px` }}>
      <p class="xd-tooltip-title">
        <bdi>{title}</bdi>
      </p>
      <dl>
        {facts.map(([name, value], i) => (
          <div key={i}>
            <dt>
              <bdi>{name}</bdi>
            </dt>
            <dd>
              <bdi>{value}</bdi>
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
