// Users, and the tokens that they sign in with.

import { useState } from "preact/hooks";
import { api, get, sentence } from "../api.ts";
import { copy } from "../actions.ts";
import { day } from "../format.ts";
import { everyUser } from "../people.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import type { User } from "../types.ts";
import { Button, Dialog, Field } from "../ui.tsx";
import { Head } from "./admin.tsx";
import { useAsked } from "../asking.ts";
import { Loading } from "../views/loading.tsx";
import { Password, SHORTEST } from "../views/password.tsx";

interface Token {
  _id: string;
  _created: string;
  user: string;
  username: string;
  expires?: string;
  subclient?: string;
}

export function Users() {
  const { found, problem, again } = useAsked(everyUser, []);
  const [wanted, setWanted] = useState("");
  const [isAdding, setIsAdding] = useState(false);
  const [tokensOf, setTokensOf] = useState<User | null>(null);
  const [rolesOf, setRolesOf] = useState<User | null>(null);
  const [passwordOf, setPasswordOf] = useState<User | null>(null);
  const shown = found?.filter((each) =>
    `${each.username} ${each.full_name} ${each.email}`.toLowerCase().includes(wanted.toLowerCase()),
  );
  const shut = async (user: User): Promise<void> => {
    try {
      await api("PATCH", `/api/users/${user._id}`, {
        json: { disabled: !user.disabled },
        etag: user._etag,
      });
      toast(t.admin.saved);
    } catch (error) {
      toast(sentence(error), "bad");
    }
    again();
  };
  return (
    <>
      <Head title={t.admin.parts.users}>
        <input
          type="search"
          placeholder={t.admin.findUser}
          aria-label={t.admin.findUser}
          value={wanted}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
        <Button
          label={t.admin.newUser}
          icon="plus"
          kind="primary"
          onClick={() => setIsAdding(true)}
        />
      </Head>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {!shown && !problem && <Loading />}
      {shown && (
        <div class="table-box card">
          <table>
            <thead>
              <tr>
                <th scope="col">{t.admin.user}</th>
                <th scope="col">{t.admin.email}</th>
                <th scope="col">{t.admin.roles}</th>
                <th scope="col">{t.admin.state}</th>
                <th scope="col">
                  <span class="visually-hidden">{t.admin.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((each) => (
                <tr key={each._id}>
                  <td class="cut" title={each.username}>
                    <strong>{each.username}</strong>
                    {each.full_name !== each.username && (
                      <span class="muted"> {each.full_name}</span>
                    )}
                  </td>
                  <td class="muted cut" title={each.email}>
                    {each.email}
                  </td>
                  <td>
                    {(each.roles ?? []).map((role) => (
                      <span class="tag" key={role}>
                        {role}
                      </span>
                    ))}
                  </td>
                  <td>
                    <span class={`status ${each.disabled ? "failed" : "complete"}`}>
                      {each.disabled ? t.admin.disabled : t.admin.active}
                    </span>
                  </td>
                  <td>
                    <div class="actions">
                      <Button
                        label={t.admin.tokens}
                        icon="key"
                        onClick={() => setTokensOf(each)}
                      />
                      <Button label={t.admin.roles} icon="edit" onClick={() => setRolesOf(each)} />
                      <Button
                        label={t.admin.password}
                        icon="lock"
                        onClick={() => setPasswordOf(each)}
                      />
                      <Button
                        label={each.disabled ? t.admin.enable : t.admin.disable}
                        kind={each.disabled ? "plain" : "danger"}
                        onClick={() => void shut(each)}
                      />
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {isAdding && <NewUser onClose={() => setIsAdding(false)} onDone={again} />}
      {tokensOf && <Tokens user={tokensOf} onClose={() => setTokensOf(null)} />}
      {passwordOf && <Password person={passwordOf} onClose={() => setPasswordOf(null)} />}
      {rolesOf && <Roles user={rolesOf} onClose={() => setRolesOf(null)} onDone={again} />}
    </>
  );
}

const rolesIn = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

function NewUser({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [problem, setProblem] = useState("");
  const save = async (form: HTMLFormElement): Promise<void> => {
    const data = new FormData(form);
    const text = (name: string): string => String(data.get(name) ?? "").trim();
    const password = String(data.get("password") ?? "");
    try {
      await api("POST", "/api/admin/users", {
        json: {
          username: text("username"),
          email: text("email"),
          roles: rolesIn(text("roles")),
          ...(password && { password }),
        },
      });
      toast(t.admin.userAdded(text("username")));
      onClose();
      onDone();
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  return (
    <Dialog title={t.admin.newUser} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save(event.currentTarget);
        }}
      >
        <Field label={t.signIn.username}>
          {(id) => <input id={id} name="username" required autocomplete="off" />}
        </Field>
        <Field label={t.admin.email}>
          {(id) => <input id={id} name="email" type="email" autocomplete="off" />}
        </Field>
        <Field label={t.admin.roles} hint={t.admin.rolesHow}>
          {(id) => <input id={id} name="roles" autocomplete="off" />}
        </Field>
        <Field
          label={`${t.signIn.password} (${t.admin.optional})`}
          hint={t.password.rules(SHORTEST)}
        >
          {(id) => (
            <input
              id={id}
              name="password"
              type="password"
              autocomplete="new-password"
              aria-describedby={`${id}-hint`}
              minLength={SHORTEST}
            />
          )}
        </Field>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <footer>
          <Button label={t.cancel} onClick={onClose} />
          <Button label={t.admin.addUser} kind="primary" type="submit" />
        </footer>
      </form>
    </Dialog>
  );
}

function Roles(props: { user: User; onClose: () => void; onDone: () => void }) {
  const { user, onClose, onDone } = props;
  const [roles, setRoles] = useState((user.roles ?? []).join(" "));
  const [problem, setProblem] = useState("");
  const save = async (): Promise<void> => {
    try {
      await api("PATCH", `/api/users/${user._id}`, {
        json: { roles: rolesIn(roles) },
        etag: user._etag,
      });
      toast(t.admin.saved);
      onClose();
      onDone();
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  return (
    <Dialog title={t.admin.rolesOf(user.username ?? "")} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Field label={t.admin.roles} hint={t.admin.rolesHow}>
          {(id) => (
            <input
              id={id}
              value={roles}
              onInput={(event) => setRoles(event.currentTarget.value)}
            />
          )}
        </Field>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <footer>
          <Button label={t.cancel} onClick={onClose} />
          <Button label={t.save} kind="primary" type="submit" />
        </footer>
      </form>
    </Dialog>
  );
}

function Tokens({ user, onClose }: { user: User; onClose: () => void }) {
  const name = user.username ?? "";
  const [fresh, setFresh] = useState("");
  const [days, setDays] = useState("");
  const { found, problem, again } = useAsked(
    (signal) => get<{ _items: Token[] }>("/api/admin/tokens", { username: name }, signal),
    [name],
  );
  const make = async (): Promise<void> => {
    try {
      const made = await api<{ token: string }>("POST", "/api/admin/tokens", {
        json: { username: name, ...(days && { days: Number(days) }) },
      });
      setFresh(made.token);
      again();
    } catch (error) {
      toast(sentence(error), "bad");
    }
  };
  const revoke = async (token: Token): Promise<void> => {
    try {
      await api("DELETE", `/api/admin/tokens/${token._id}`);
      toast(t.admin.revoked);
    } catch (error) {
      toast(sentence(error), "bad");
    }
    again();
  };
  return (
    <Dialog title={t.admin.tokensOf(name)} onClose={onClose} wide>
      {problem && <p class="problem">{problem}</p>}
      {fresh && (
        <div class="once" role="status">
          <strong>{t.admin.tokenOnce}</strong>
          <code>{fresh}</code>
          <Button
            label={t.details.copy(t.signIn.token)}
            icon="copy"
            onClick={() => void copy(fresh, t.details.copiedPlain)}
          />
        </div>
      )}
      <form
        class="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <Field label={t.admin.days} hint={t.admin.daysHow}>
          {(id) => (
            <input
              id={id}
              type="number"
              min={1}
              max={36500}
              value={days}
              onInput={(event) => setDays(event.currentTarget.value)}
            />
          )}
        </Field>
        <Button label={t.admin.newToken} icon="plus" kind="primary" type="submit" />
      </form>
      {found && found._items.length === 0 && <p class="muted">{t.admin.noTokens}</p>}
      {found && found._items.length > 0 && (
        <div class="table-box">
          <table>
            <thead>
              <tr>
                <th scope="col">{t.fields.id}</th>
                <th scope="col">{t.admin.created}</th>
                <th scope="col">{t.admin.expires}</th>
                <th scope="col">
                  <span class="visually-hidden">{t.admin.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {found._items.map((each) => (
                <tr key={each._id}>
                  <td>
                    <code>{each._id}</code>
                    {each.subclient && <span class="tag">{each.subclient}</span>}
                  </td>
                  <td>{day(each._created)}</td>
                  <td>{each.expires ? day(each.expires) : t.admin.never}</td>
                  <td>
                    <div class="actions">
                      <Button
                        label={t.admin.revoke}
                        kind="danger"
                        onClick={() => void revoke(each)}
                      />
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Dialog>
  );
}
