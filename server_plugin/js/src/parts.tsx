/** Small pieces that several views are made of. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Loaded, usePage } from "./context";

// Marks that are not seen, or that turn the direction of what follows.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** Returns a text of others as it can be shown: cut, and with unseen marks as escapes. */
export function shown(text: string, length = 120): string {
  const cut = text.length > length ? `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "")}…` : text;
  return cut.replace(UNSEEN, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function Name({ text, length }: { text: string; length?: number }): JSX.Element {
  return (
    <bdi class="xp-name" title={shown(text, 1000)} dir="auto">
      {shown(text, length)}
    </bdi>
  );
}

export function When({ iso }: { iso: string }): JSX.Element {
  const date = new Date(iso);
  const text = Number.isNaN(date.getTime()) ? iso.slice(0, 20) : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return <time dateTime={iso}>{text}</time>;
}

/** What has been read; until then that it is being read, or why it can't be. */
export function Ready<T>({ loaded, children }: { loaded: Loaded<T>; children(value: T): ComponentChildren }): JSX.Element {
  const { t } = usePage();
  if (loaded.status === "loading") {
    return (
      <p class="xp-waiting" role="status">
        {t("loading")}
      </p>
    );
  }
  if (loaded.status === "failed") {
    return (
      <div class="xp-message xp-error" role="alert">
        <strong>{t("failed")}</strong>
        <p>{shown(loaded.error.message, 500)}</p>
        <button type="button" class="xp-button" onClick={loaded.retry}>
          {t("retry")}
        </button>
      </div>
    );
  }
  return <>{children(loaded.value)}</>;
}

/** That there are no explanations yet, and how to upload one. */
export function Nothing({ snippet }: { snippet: string }): JSX.Element {
  const { t } = usePage();
  return (
    <div class="xp-message">
      <strong>{t("none")}</strong>
      <p>{t("how")}</p>
      <Code text={snippet} />
    </div>
  );
}

function Code({ text }: { text: string }): JSX.Element {
  return (
    <pre class="xp-code" tabIndex={0}>
      <code>{text}</code>
    </pre>
  );
}

/** Copies the address of what is shown; says that it has. */
export function CopyLink(): JSX.Element {
  const { link, t } = usePage();
  const [copied, setCopied] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const timer = copied ? setTimeout(() => setCopied(false), 2000) : undefined;
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async (): Promise<void> => {
    const text = link();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Pages that are not served by https have no clipboard; the old command works there.
      if (field.current === null) return;
      field.current.value = text;
      field.current.select();
      document.execCommand("copy");
    }
    setCopied(true);
  };
  return (
    <>
      <button type="button" class="xp-button" onClick={() => void copy()}>
        <span aria-live="polite">{copied ? t("copied") : t("link")}</span>
      </button>
      <textarea ref={field} class="xp-unseen" aria-hidden="true" tabIndex={-1} readOnly />
    </>
  );
}
