// How the place is: health, storage, jobs, reports.

import { api, get, sentence } from "../api.ts";
import { bytes, moment, number } from "../format.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import { Button } from "../ui.tsx";
import { Head } from "./admin.tsx";
import { useAsked } from "../asking.ts";
import { Loading } from "../views/loading.tsx";
import { Reports } from "./reports.tsx";

interface Overviewed {
  counted?: string;
  version?: string;
  backends: { backend: string; files: number; bytes: number }[];
  projects: { _id: string; name: string; files: number; bytes: number }[];
  jobs: Record<string, { ready: number; running: number; dead: number }>;
  health: Record<string, string>;
}

const EVERY = 10;

export function Overview() {
  const { found, problem, again } = useAsked(
    (signal) => get<Overviewed>("/api/admin/overview", {}, signal),
    [],
    EVERY,
  );
  return (
    <>
      <Head title={t.admin.parts.overview}>
        <Button label={t.admin.renewLinks} icon="link" onClick={() => void renewLinks()} />
        <Button label={t.admin.reload} icon="retry" onClick={again} />
      </Head>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="cards" aria-busy={found === null}>
        <section class="card">
          <h2>{t.admin.health}</h2>
          {found ? (
            <dl class="facts">
              {Object.entries(found.health).map(([part, state]) => (
                <div key={part}>
                  <dt>{t.admin.healthParts[part] ?? part}</dt>
                  <dd>
                    <span class={`status ${state === "ok" ? "complete" : "failed"}`}>
                      {state === "ok" ? t.admin.ok : state}
                    </span>
                  </dd>
                </div>
              ))}
              {found.version && (
                <div>
                  <dt>{t.admin.version}</dt>
                  <dd>{found.version}</dd>
                </div>
              )}
              {found.counted && (
                <div>
                  <dt>{t.admin.counted}</dt>
                  <dd>{moment(found.counted)}</dd>
                </div>
              )}
            </dl>
          ) : (
            <Loading />
          )}
        </section>
        <section class="card">
          <h2>{t.admin.jobs}</h2>
          {found ? <JobCounts jobs={found.jobs} /> : <Loading />}
        </section>
        <section class="card">
          <h2>{t.admin.storage}</h2>
          {found ? (
            <Holdings
              name={t.admin.backend}
              rows={found.backends.map((each) => ({ ...each, name: each.backend, href: "" }))}
            />
          ) : (
            <Loading />
          )}
        </section>
        <Reports />
        <section class="card whole">
          <h2>{t.admin.byProject}</h2>
          {found ? (
            <Holdings
              name={t.fields.project}
              rows={found.projects.map((each) => ({ ...each, href: `/p/${each._id}` }))}
            />
          ) : (
            <Loading />
          )}
        </section>
      </div>
    </>
  );
}

async function renewLinks(): Promise<void> {
  try {
    await api<null>("POST", "/api/admin/links/refresh");
    toast(t.admin.renewing);
  } catch (error) {
    toast(sentence(error), "bad");
  }
}

function JobCounts({ jobs }: { jobs: Overviewed["jobs"] }) {
  const rows = Object.entries(jobs);
  if (rows.length === 0) return <p class="muted">{t.admin.noJobsHow}</p>;
  return (
    <div class="table-box">
      <table>
        <thead>
          <tr>
            <th scope="col">{t.admin.kind}</th>
            {(["ready", "running", "dead"] as const).map((state) => (
              <th scope="col" class="number" key={state}>
                {t.admin.states[state]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([kind, counts]) => (
            <tr key={kind}>
              <td>{t.admin.kinds[kind] ?? kind}</td>
              <td class="number">{number(counts.ready)}</td>
              <td class="number">{number(counts.running)}</td>
              <td class="number">
                {counts.dead > 0 ? (
                  <span class="status failed">{number(counts.dead)}</span>
                ) : (
                  number(0)
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Holdings(props: {
  name: string;
  rows: { name: string; href: string; files: number; bytes: number }[];
}) {
  const most = Math.max(1, ...props.rows.map((each) => each.bytes));
  return (
    <div class="table-box">
      <table>
        <thead>
          <tr>
            <th scope="col">{props.name}</th>
            <th scope="col" class="number">
              {t.admin.files}
            </th>
            <th scope="col" class="number">
              {t.admin.bytes}
            </th>
            <th scope="col" class="share">
              <span class="visually-hidden">{t.admin.share}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.rows.map((each) => (
            <tr key={each.name + each.href}>
              <td>{each.href ? <a href={each.href}>{each.name}</a> : each.name}</td>
              <td class="number">{number(each.files)}</td>
              <td class="number">{bytes(each.bytes)}</td>
              <td class="share" aria-hidden="true">
                <div class="bar">
                  <div style={{ width: `${(100 * each.bytes) / most}%` }} />
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
