// What waits, runs, or was given up, and why.

import { useState } from "preact/hooks";
import { api, get, sentence } from "../api.ts";
import { moment } from "../format.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import { Button, Empty, Progress } from "../ui.tsx";
import { Head } from "./admin.tsx";
import { useAsked } from "../asking.ts";
import { Loading } from "../views/loading.tsx";

interface Job {
  _id: string;
  kind: string;
  subject: string;
  state: "ready" | "running" | "dead";
  attempts: number;
  max_attempts: number;
  run_at: string;
  error?: string;
  progress?: { percent?: number; progress?: number; step?: string };
  is_cancelled?: boolean;
}

interface Page {
  _items: Job[];
  _next?: string;
}

const EVERY = 5;
const OF_FILES = new Set(["process", "encode", "encoded", "digest"]);
const STATES = ["ready", "running", "dead"] as const;
const TONES = { ready: "queued_for_processing", running: "processing", dead: "failed" } as const;

export function Jobs() {
  const [state, setState] = useState("");
  const [kind, setKind] = useState("");
  const [more, setMore] = useState<Job[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const query = { state: state || null, kind: kind || null };
  const { found, problem, again } = useAsked(
    async (signal) => {
      const page = await get<Page>("/api/admin/jobs", query, signal);
      setMore([]);
      setNext(page._next ?? null);
      return page;
    },
    [state, kind],
    // Who has asked for more is looking at it.
    more.length > 0 ? 0 : EVERY,
  );
  const jobs = [...(found?._items ?? []), ...more];
  const showMore = async (): Promise<void> => {
    try {
      const page = await get<Page>("/api/admin/jobs", { ...query, after: next });
      setMore([...more, ...page._items]);
      setNext(page._next ?? null);
    } catch (error) {
      toast(sentence(error), "bad");
    }
  };
  const act = async (job: Job, what: "retry" | "cancel"): Promise<void> => {
    try {
      await api("POST", `/api/admin/jobs/${job._id}/${what}`);
      toast(what === "retry" ? t.admin.retried : t.admin.cancelled);
      again();
    } catch (error) {
      toast(sentence(error), "bad");
    }
  };
  return (
    <>
      <Head title={t.admin.parts.jobs}>
        <select
          aria-label={t.admin.state}
          value={state}
          onChange={(event) => setState(event.currentTarget.value)}
        >
          <option value="">{t.admin.allStates}</option>
          {STATES.map((each) => (
            <option key={each} value={each}>
              {t.admin.states[each]}
            </option>
          ))}
        </select>
        <select
          aria-label={t.admin.kind}
          value={kind}
          onChange={(event) => setKind(event.currentTarget.value)}
        >
          <option value="">{t.admin.allKinds}</option>
          {Object.entries(t.admin.kinds).map(([each, name]) => (
            <option key={each} value={each}>
              {name}
            </option>
          ))}
        </select>
        <Button label={t.admin.reload} icon="retry" onClick={again} />
      </Head>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {found === null && !problem && <Loading />}
      {found !== null && jobs.length === 0 && (
        <Empty icon="check" title={t.admin.noJobs}>
          {t.admin.noJobsHow}
        </Empty>
      )}
      {jobs.length > 0 && (
        <div class="table-box card">
          <table>
            <thead>
              <tr>
                <th scope="col">{t.admin.kind}</th>
                <th scope="col">{t.admin.subject}</th>
                <th scope="col">{t.admin.state}</th>
                <th scope="col" class="number">
                  {t.admin.attempts}
                </th>
                <th scope="col">{t.admin.due}</th>
                <th scope="col">{t.admin.reason}</th>
                <th scope="col">
                  <span class="visually-hidden">{t.admin.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {jobs.map((job) => (
                <tr key={job._id}>
                  <td>{t.admin.kinds[job.kind] ?? job.kind}</td>
                  <td>
                    {OF_FILES.has(job.kind) ? (
                      <a href={`/f/${job.subject}`}>
                        <code>{job.subject.slice(0, 24)}</code>
                      </a>
                    ) : (
                      <code>{job.subject.slice(0, 24)}</code>
                    )}
                  </td>
                  <td>
                    <span class={`status ${TONES[job.state]}`}>{t.admin.states[job.state]}</span>
                    {job.state === "running" && (
                      <Progress
                        value={job.progress?.percent ?? job.progress?.progress ?? null}
                        label={t.admin.progress}
                      />
                    )}
                  </td>
                  <td class="number">
                    {job.attempts} / {job.max_attempts}
                  </td>
                  <td class="muted">{moment(job.run_at)}</td>
                  <td class="reason">{job.error ?? ""}</td>
                  <td>
                    <div class="actions">
                      {job.state === "dead" ? (
                        <Button
                          label={t.admin.retry}
                          icon="retry"
                          onClick={() => void act(job, "retry")}
                        />
                      ) : (
                        <Button
                          label={t.admin.cancel}
                          icon="close"
                          disabled={job.is_cancelled === true}
                          onClick={() => void act(job, "cancel")}
                        />
                      )}
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {next !== null && <Button label={t.admin.more} onClick={() => void showMore()} />}
        </div>
      )}
    </>
  );
}
