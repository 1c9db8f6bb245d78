/** What is said in place of a chart, or above one. */

import type { ComponentChildren, JSX } from "preact";

interface MessageProps {
  title?: string;
  children: ComponentChildren;
  /** Something to copy: what to write in Python. */
  code?: string;
  action?: ComponentChildren;
  tone?: "calm" | "error";
}

export function Message({ title, children, code, action, tone = "calm" }: MessageProps): JSX.Element {
  return (
    <div class={`xd-message xd-message-${tone}`} role={tone === "error" ? "alert" : undefined}>
      {title !== undefined && <p class="xd-message-title">{title}</p>}
      <p class="xd-message-text">{children}</p>
      {code !== undefined && (
        <pre class="xd-code" tabIndex={0}>
          <code>{code}</code>
        </pre>
      )}
      {action}
    </div>
  );
}

/** A line above a chart: what is a sample, what was left out. */
export function Notice({ children, action }: { children: ComponentChildren; action?: ComponentChildren }): JSX.Element {
  return (
    <div class="xd-notice">
      <span>{children}</span>
      {action}
    </div>
  );
}
