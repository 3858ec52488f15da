// Another password: for oneself, and from administrators for others.

import { useState } from "preact/hooks";
import { ApiError, api, sentence } from "../api.ts";
import { isChangingPassword, renew, session, user } from "../auth.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import type { Person } from "../types.ts";
import { Button, Dialog, Field } from "../ui.tsx";

export const SHORTEST = 8;
const LONGEST = 1024;

export function OwnPassword() {
  const me = user.value;
  const close = (): void => {
    isChangingPassword.value = false;
  };
  return me && <Password person={me} onClose={close} />;
}

/** Who has a password tells it when changing the own; administrators set all others. */
export function Password({ person, onClose }: { person: Person; onClose: () => void }) {
  const isOwn = person._id === user.value?._id;
  const hasOwn = isOwn && session.value?.has_password === true;
  const name = person.username ?? "";
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const save = async (form: HTMLFormElement): Promise<void> => {
    const field = (called: string): HTMLInputElement | null =>
      form.querySelector<HTMLInputElement>(`[name=${called}]`);
    const [current, wanted, again] = ["current", "new", "again"].map((each) => field(each)?.value);
    if (wanted !== again) {
      setProblem(t.password.differ);
      field("again")?.select();
      return;
    }
    setIsBusy(true);
    try {
      if (hasOwn) await api("POST", "/api/session/password", { json: { current, new: wanted } });
      else await api("PUT", `/api/admin/users/${person._id}/password`, { json: { password: wanted } });
      toast(isOwn ? t.password.changed : t.password.given(name));
      onClose();
      if (isOwn) await renew();
    } catch (error) {
      const isWrong = hasOwn && error instanceof ApiError && error.status === 403;
      setProblem(isWrong ? t.password.wrong : sentence(error));
      setIsBusy(false);
      if (isWrong) field("current")?.select();
    }
  };
  const title = isOwn ? (hasOwn ? t.password.change : t.password.set) : t.password.of(name);
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save(event.currentTarget);
        }}
      >
        {/* Password managers want to know whose it is. */}
        <input type="text" name="username" value={name} autocomplete="username" readOnly hidden />
        {hasOwn && (
          <Field label={t.password.current}>
            {(id) => (
              <input
                id={id}
                name="current"
                type="password"
                autocomplete="current-password"
                required
                autofocus
              />
            )}
          </Field>
        )}
        <Field label={t.password.new} hint={t.password.rules(SHORTEST)}>
          {(id) => (
            <input
              id={id}
              name="new"
              type="password"
              autocomplete="new-password"
              aria-describedby={`${id}-hint`}
              required
              minLength={SHORTEST}
              maxLength={LONGEST}
            />
          )}
        </Field>
        <Field label={t.password.again}>
          {(id) => (
            <input id={id} name="again" type="password" autocomplete="new-password" required />
          )}
        </Field>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <footer>
          <Button label={t.cancel} onClick={onClose} />
          <Button label={title} kind="primary" type="submit" disabled={isBusy} />
        </footer>
      </form>
    </Dialog>
  );
}
