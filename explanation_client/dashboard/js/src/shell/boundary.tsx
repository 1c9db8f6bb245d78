/** Holds what goes wrong inside a panel to that panel. */

import { Component, type ComponentChildren } from "preact";
import { Button } from "../components/controls";
import { Message } from "../components/message";
import type { Translate } from "../i18n/translate";

interface BoundaryProps {
  t: Translate;
  children: ComponentChildren;
}

export class Boundary extends Component<BoundaryProps, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  override componentDidCatch(error: unknown): void {
    this.setState({ error: error instanceof Error ? error : new Error(String(error)) });
  }

  override render(): ComponentChildren {
    const { error } = this.state;
    const { t, children } = this.props;
    if (error === null) return children;
    return (
      <Message
        tone="error"
        title={t("app.panelFailed")}
        action={<Button onClick={() => this.setState({ error: null })}>{t("app.retry")}</Button>}
      >
        {error.message}
      </Message>
    );
  }
}
