// Who may do what in a project: its members, whom else its permissions name, and everybody.

import { useRef, useState } from "preact/hooks";
import { ApiError, api, get, sentence } from "../api.ts";
import { useAsked } from "../asking.ts";
import { isAdmin, user } from "../auth.ts";
import { Icon } from "../icons.tsx";
import { everyUser, nameOf } from "../people.ts";
import { change, left } from "../projects.ts";
import { t } from "../texts.ts";
import type { Grant, Method, Person, Project } from "../types.ts";
import { Button, Field } from "../ui.tsx";
import { Loading } from "./loading.tsx";
import { Sure } from "./sure.tsx";

/** Somebody in the list: a member, or one whom the permissions name. */
interface Entry {
  id: string;
  name: string;
  email: string;
  may: string;
  granted: Grant | null;
}

const titleOf = (person: Person): string => person.full_name || person.username || person._id;

/** The members of a project as they are, for who may see them; `onChanged` where its document is another. */
export function Members({ project, onChanged }: { project: Project; onChanged: () => void }) {
  const { found, problem, again } = useAsked(
    (signal) => get<{ _items: Person[] }>("/api/p/users", { project_id: project._id }, signal),
    [project._id],
  );
  // Whoever is removed stays in the list until the dialog is closed: that is where undoing is.
  const [gone, setGone] = useState<ReadonlyMap<string, Entry>>(new Map());
  const [told, setTold] = useState({ text: "", isWrong: false });
  const [isLeaving, setIsLeaving] = useState(false);
  const mayChange = project.allowed_methods.includes("PUT");
  const { world, users, groups } = project.permissions;
  const others = groups.length - 1;
  const ofMembers = others > 0 ? t.members.member : t.members.may(groups[0]?.methods ?? []);

  const set = (who: { user: string } | { user_id: string }, action: "add" | "remove") =>
    api<Person>("POST", "/api/p/users", { json: { project_id: project._id, ...who, action } });
  const grant = async (edited: (users: Grant[]) => Grant[]): Promise<void> => {
    const now = await get<Project>(`/api/projects/${project._id}`);
    await change(now, { permissions: { users: edited(now.permissions.users) } });
  };
  const take = ({ id, granted }: Entry): Promise<unknown> =>
    granted
      ? grant((all) => all.filter((each) => each.user !== id))
      : set({ user_id: id }, "remove");
  const giveBack = ({ id, granted }: Entry): Promise<unknown> =>
    granted ? grant((all) => [...all, granted]) : set({ user_id: id }, "add");

  const members = (found?._items ?? []).map(
    (each): Entry => ({
      id: each._id,
      name: titleOf(each),
      email: each.email ?? "",
      may: each._id === project.user ? t.members.owner(ofMembers) : ofMembers,
      granted: null,
    }),
  );
  const named = users
    .filter((each) => !members.some((member) => member.id === each.user))
    .map(
      (each): Entry => ({
        id: each.user,
        name: nameOf(each.user),
        email: "",
        may: t.members.may(each.methods),
        granted: each,
      }),
    );
  const there = [...members, ...named];
  const shown = [
    ...there,
    ...[...gone.values()].filter((each) => !there.some((other) => other.id === each.id)),
  ].sort((a, b) => (a.id < b.id ? -1 : 1));

  const attempt = async (work: () => Promise<unknown>, done: string): Promise<void> => {
    try {
      await work();
      setTold({ text: done, isWrong: false });
    } catch (error) {
      setTold({ text: sentence(error), isWrong: true });
    }
    again();
    onChanged();
  };
  const remove = (entry: Entry): void => {
    if (entry.id === user.value?._id) {
      setIsLeaving(true);
      return;
    }
    void attempt(async () => {
      await take(entry);
      setGone(new Map(gone).set(entry.id, entry));
    }, t.members.removed(entry.name));
  };
  const restore = (entry: Entry): void => {
    void attempt(async () => {
      await giveBack(entry);
      const next = new Map(gone);
      next.delete(entry.id);
      setGone(next);
    }, t.members.added(entry.name));
  };

  if (problem) {
    return (
      <p class="problem" role="alert">
        {problem}
      </p>
    );
  }
  return (
    <>
      {mayChange && (
        <Add
          onAdd={(name) => set({ user: name }, "add")}
          onDone={(person) => {
            const next = new Map(gone);
            next.delete(person._id);
            setGone(next);
            setTold({ text: t.members.added(titleOf(person)), isWrong: false });
            again();
          }}
          onWrong={(text) => setTold({ text, isWrong: true })}
        />
      )}
      <p
        class={told.isWrong ? "problem" : "visually-hidden"}
        role={told.isWrong ? "alert" : "status"}
      >
        {told.text}
      </p>
      {found === null ? (
        <Loading />
      ) : (
        <ul class="members" aria-label={t.members.title}>
          {shown.map((each) => {
            const isGone = gone.has(each.id);
            return (
              <li key={each.id} class={isGone ? "gone" : ""}>
                <span class="avatar" data-initial={each.name.slice(0, 1).toUpperCase()} />
                <span class="member">
                  <strong>{each.name}</strong>
                  <small>{each.email}</small>
                </span>
                <small class="may">{isGone ? t.members.isGone : each.may}</small>
                {mayChange && (each.granted || each.id !== project.user) ? (
                  // One button for both, so that the focus stays on it.
                  <button
                    type="button"
                    class={`button quiet ${isGone ? "" : "icon-only"}`}
                    aria-label={(isGone ? t.members.undo : t.members.remove)(each.name)}
                    title={isGone ? undefined : t.members.remove(each.name)}
                    onClick={() => (isGone ? restore : remove)(each)}
                  >
                    {isGone ? t.undo : <Icon name="close" />}
                  </button>
                ) : (
                  mayChange && <span class="no-button" />
                )}
              </li>
            );
          })}
          {world.length > 0 && <Rest name={t.members.everybody} methods={world} gap={mayChange} />}
        </ul>
      )}
      {others > 0 && <p class="hint">{t.members.groups(others)}</p>}
      {isLeaving && (
        <Sure
          title={t.members.leaveTitle(project.name)}
          action={t.members.leave}
          onYes={async () => {
            const me = shown.find((each) => each.id === user.value?._id);
            if (me) await take(me);
            await left(project, t.members.left(project.name));
          }}
          onClose={() => setIsLeaving(false)}
        >
          {t.members.leaveHow}
        </Sure>
      )}
    </>
  );
}

function Rest({ name, methods, gap }: { name: string; methods: Method[]; gap: boolean }) {
  return (
    <li>
      <span class="avatar all">
        <Icon name="users" size={15} />
      </span>
      <span class="member">
        <strong>{name}</strong>
      </span>
      <small class="may">{t.members.may(methods)}</small>
      {gap && <span class="no-button" />}
    </li>
  );
}

function Add(props: {
  onAdd: (name: string) => Promise<Person>;
  onDone: (person: Person) => void;
  onWrong: (text: string) => void;
}) {
  const [name, setName] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const add = async (): Promise<void> => {
    try {
      props.onDone(await props.onAdd(name.trim()));
      setName("");
    } catch (error) {
      const isNobody = error instanceof ApiError && error.status === 404;
      props.onWrong(isNobody ? t.members.nobody(name.trim()) : sentence(error));
    }
    field.current?.focus();
  };
  return (
    <form
      class="inline-form"
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      <Field label={t.members.who}>
        {(id) => (
          <>
            <input
              id={id}
              ref={field}
              value={name}
              list={isAdmin.value ? `${id}-users` : undefined}
              aria-describedby="members-how"
              required
              maxLength={128}
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              onInput={(event) => setName(event.currentTarget.value)}
            />
            {isAdmin.value && <Everybody id={`${id}-users`} />}
          </>
        )}
      </Field>
      <Button label={t.members.add} icon="plus" kind="primary" type="submit" />
      <small id="members-how">{t.members.whoHow}</small>
    </form>
  );
}

/** Whom administrators may choose from; all others are told of nobody. */
function Everybody({ id }: { id: string }) {
  const { found } = useAsked(everyUser, []);
  return (
    <datalist id={id}>
      {found
        ?.filter((each) => !each.disabled)
        .map((each) => (
          <option key={each._id} value={each.username}>
            {[each.full_name, each.email].filter(Boolean).join(", ")}
          </option>
        ))}
    </datalist>
  );
}
