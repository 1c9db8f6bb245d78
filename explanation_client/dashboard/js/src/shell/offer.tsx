/** A file in the page itself, for pages that may not save files: a text to copy, or a picture. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../app";
import { Button, IconButton } from "../components/controls";
import { copyText, type Offer } from "../lib/save";

export function OfferDialog({ offer, onClose }: { offer: Offer; onClose(): void }): JSX.Element {
  const { t } = useApp();
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const copy = async (): Promise<void> => {
    if (field.current) setCopied(await copyText(field.current));
  };
  return (
    <dialog ref={dialog} class="xd-dialog" aria-label={offer.name} onClose={onClose}>
      <div class="xd-dialog-head">
        <h2 class="xd-heading">{offer.name}</h2>
        <IconButton icon="close" label={t("app.close")} onClick={() => dialog.current?.close()} />
      </div>
      <p class="xd-note">{t("chart.noDownload")}</p>
      {"text" in offer ? (
        <>
          <textarea
            ref={field}
            class="xd-offer-text"
            readOnly
            value={offer.text}
            aria-label={offer.name}
            spellcheck={false}
          />
          <Button kind="primary" onClick={() => void copy()}>
            {t(copied ? "chart.copied" : "chart.copy")}
          </Button>
        </>
      ) : (
        <img class="xd-offer-image" src={offer.image} alt={offer.name} />
      )}
    </dialog>
  );
}
