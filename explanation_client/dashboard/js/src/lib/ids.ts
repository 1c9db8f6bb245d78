/** Names of elements that no other dashboard on the page has, though each may be a module of its own. */

import { useState } from "preact/hooks";

/** Returns a name that stays the same for this component. */
export function useUnique(): string {
  return useState(() => `xd-${Math.random().toString(36).slice(2, 10)}`)[0];
}
