/** A name that somebody else chose: cut where it is too long, whole on hover, and its direction kept to itself. */

import type { JSX } from "preact";
import { shown, title } from "../lib/text";

export function Name({ text, class: more }: { text: string; class?: string }): JSX.Element {
  return (
    <bdi class={`xd-name ${more ?? ""}`} title={title(text)} dir="auto">
      {shown(text, 200)}
    </bdi>
  );
}
