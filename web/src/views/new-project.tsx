// Found a project.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { sentence } from "../api.ts";
import { found } from "../projects.ts";
import { go } from "../router.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import { Button, Dialog, Field } from "../ui.tsx";

export const founding = signal(false);

export function NewProjectLayer() {
  return founding.value ? <NewProject /> : null;
}

function NewProject() {
  const [name, setName] = useState("");
  const [isPrivate, setIsPrivate] = useState(true);
  const [problem, setProblem] = useState("");
  const close = (): void => {
    founding.value = false;
  };
  const save = async (): Promise<void> => {
    try {
      const id = await found(name.trim(), isPrivate);
      close();
      toast(t.projects.created(name.trim()));
      go(`/p/${id}`);
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  return (
    <Dialog title={t.projects.create} onClose={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field label={t.projects.name}>
          {(id) => (
            <input
              id={id}
              value={name}
              required
              maxLength={128}
              autofocus
              onInput={(event) => setName(event.currentTarget.value)}
            />
          )}
        </Field>
        <label class="check">
          <input
            type="checkbox"
            checked={isPrivate}
            onChange={(event) => setIsPrivate(event.currentTarget.checked)}
          />
          {t.projects.isPrivate}
        </label>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <footer>
          <Button label={t.cancel} onClick={close} />
          <Button label={t.projects.found} kind="primary" type="submit" />
        </footer>
      </form>
    </Dialog>
  );
}
