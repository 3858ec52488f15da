// All projects, what they hold, and who is in them.

import { useState } from "preact/hooks";
import { api, get, sentence } from "../api.ts";
import { bytes, day, number } from "../format.ts";
import { nameOf } from "../people.ts";
import { projects } from "../projects.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import type { Person, Project } from "../types.ts";
import { Button, Dialog, Field } from "../ui.tsx";
import { founding } from "../views/new-project.tsx";
import { Head } from "./admin.tsx";
import { useAsked } from "./asking.ts";
import { Loading } from "./loading.tsx";
import { everyUser } from "./users.tsx";

interface Held {
  projects: { _id: string; files: number; bytes: number }[];
}

export function AllProjects() {
  const { found } = useAsked((signal) => get<Held>("/api/admin/overview", {}, signal), []);
  const [membersOf, setMembersOf] = useState<Project | null>(null);
  const held = new Map(found?.projects.map((each) => [each._id, each]) ?? []);
  const all = projects.value;
  return (
    <>
      <Head title={t.admin.parts.projects}>
        <Button
          label={t.projects.create}
          icon="plus"
          kind="primary"
          onClick={() => {
            founding.value = true;
          }}
        />
      </Head>
      {all === null ? (
        <Loading />
      ) : (
        <div class="table-box card">
          <table>
            <thead>
              <tr>
                <th scope="col">{t.fields.project}</th>
                <th scope="col">{t.admin.owner}</th>
                <th scope="col">{t.admin.seen}</th>
                <th scope="col" class="number">
                  {t.admin.files}
                </th>
                <th scope="col" class="number">
                  {t.admin.bytes}
                </th>
                <th scope="col">{t.admin.created}</th>
                <th scope="col">
                  <span class="visually-hidden">{t.admin.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {all.map((each) => {
                const holds = held.get(each._id);
                return (
                  <tr key={each._id}>
                    <td>
                      <a href={`/p/${each._id}`}>{each.name}</a>
                    </td>
                    <td>{nameOf(each.user)}</td>
                    <td>{each.is_private ? t.admin.byMembers : t.admin.byAll}</td>
                    <td class="number">{holds ? number(holds.files) : ""}</td>
                    <td class="number">{holds ? bytes(holds.bytes) : ""}</td>
                    <td class="muted">{day(each._created)}</td>
                    <td>
                      <div class="actions">
                        <Button
                          label={t.admin.members}
                          icon="users"
                          onClick={() => setMembersOf(each)}
                        />
                      </div>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {membersOf && <Members project={membersOf} onClose={() => setMembersOf(null)} />}
    </>
  );
}

function Members({ project, onClose }: { project: Project; onClose: () => void }) {
  const { found, problem, again } = useAsked(
    async (signal) => {
      const [members, users] = await Promise.all([
        get<{ _items: Person[] }>("/api/p/users", { project_id: project._id }, signal),
        everyUser(signal),
      ]);
      return { members: members._items, users };
    },
    [project._id],
  );
  const [picked, setPicked] = useState("");
  const set = async (user: string, action: "add" | "remove"): Promise<void> => {
    try {
      await api("POST", "/api/p/users", {
        json: { project_id: project._id, user_id: user, action },
      });
      setPicked("");
      toast(t.admin.saved);
    } catch (error) {
      toast(sentence(error), "bad");
    }
    again();
  };
  const members = new Set(found?.members.map((each) => each._id));
  const others = found?.users.filter((each) => !members.has(each._id) && !each.disabled) ?? [];
  return (
    <Dialog title={t.admin.membersOf(project.name)} onClose={onClose} wide>
      {problem && <p class="problem">{problem}</p>}
      <form
        class="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (picked) void set(picked, "add");
        }}
      >
        <Field label={t.admin.user}>
          {(id) => (
            <select
              id={id}
              value={picked}
              onChange={(event) => setPicked(event.currentTarget.value)}
            >
              <option value="" />
              {others.map((each) => (
                <option key={each._id} value={each._id}>
                  {each.username}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Button
          label={t.admin.addMember}
          icon="plus"
          kind="primary"
          type="submit"
          disabled={!picked}
        />
      </form>
      {found === null && !problem && <Loading />}
      {found && found.members.length === 0 && <p class="muted">{t.admin.noMembers}</p>}
      <ul class="members">
        {found?.members.map((each) => (
          <li key={each._id}>
            <span
              class="avatar"
              data-initial={(each.full_name || each.username || "?").slice(0, 1).toUpperCase()}
            />
            <span>
              <strong>{each.full_name || each.username}</strong>
              <small> {each.email}</small>
            </span>
            {each._id !== project.user && (
              <Button
                label={t.admin.removeMember(each.username ?? "")}
                icon="close"
                iconOnly
                kind="quiet"
                onClick={() => void set(each._id, "remove")}
              />
            )}
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
