// All projects, what they hold, and who is in them.

import { get } from "../api.ts";
import { bytes, day, number } from "../format.ts";
import { nameOf } from "../people.ts";
import { managing, projects } from "../projects.ts";
import { t } from "../texts.ts";
import { Button } from "../ui.tsx";
import { founding } from "../views/new-project.tsx";
import { Head } from "./admin.tsx";
import { useAsked } from "../asking.ts";
import { Loading } from "../views/loading.tsx";

interface Held {
  projects: { _id: string; files: number; bytes: number }[];
}

export function AllProjects() {
  const { found } = useAsked((signal) => get<Held>("/api/admin/overview", {}, signal), []);
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
                          label={t.projects.manage}
                          icon="users"
                          onClick={() => {
                            managing.value = each._id;
                          }}
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
    </>
  );
}
