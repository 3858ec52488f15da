// Asking whether something is meant that cannot be undone.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { sentence } from "../api.ts";
import { t } from "../texts.ts";
import { Button, Dialog, Field } from "../ui.tsx";

interface Sure {
  title: string;
  children: ComponentChildren;
  action: string;
  /** What has to be typed first, so that nobody does it with one click too many. */
  word?: string;
  onYes: () => Promise<void>;
  onClose: () => void;
}

// Browsers show many blanks as one, so that is what people type.
const seen = (text: string): string => text.trim().replace(/\s+/g, " ");

export function Sure({ title, children, action, word, onYes, onClose }: Sure) {
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const save = async (): Promise<void> => {
    setIsBusy(true);
    try {
      await onYes();
    } catch (error) {
      setProblem(sentence(error));
      setIsBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <p>{children}</p>
        {word !== undefined && (
          <Field label={t.sure.type(word)}>
            {(id) => (
              <input
                id={id}
                value={typed}
                autofocus
                autocomplete="off"
                spellcheck={false}
                onInput={(event) => setTyped(event.currentTarget.value)}
              />
            )}
          </Field>
        )}
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <footer>
          <Button label={t.cancel} onClick={onClose} />
          <Button
            label={action}
            kind="danger"
            type="submit"
            disabled={isBusy || (word !== undefined && seen(typed) !== seen(word))}
          />
        </footer>
      </form>
    </Dialog>
  );
}
