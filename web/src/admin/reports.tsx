// What looking after the stores has found: sweeping and verifying.

import { get } from "../api.ts";
import { bytes, moment, number } from "../format.ts";
import { t } from "../texts.ts";
import { useAsked } from "../asking.ts";
import { Loading } from "../views/loading.tsx";

interface Finding {
  what: string;
  key: string;
  name?: string;
  file_id?: string;
  reason?: string;
}

/** Counts by what was found stand beside these. */
interface Report {
  backend: string;
  began: string;
  ended?: string;
  blobs: number;
  bytes: number;
  doubt?: string;
  stopped?: string;
  findings: Finding[];
}

const WRONG = ["missing", "differing", "loose", "cut", "changed", "unread"] as const;

export function Reports() {
  const { found, problem } = useAsked(
    (signal) => get<Record<"sweep" | "verify", Report[]>>("/api/admin/reports", {}, signal),
    [],
  );
  return (
    <section class="card">
      <h2>{t.admin.reports}</h2>
      {problem && <p class="problem">{problem}</p>}
      {found === null && !problem && <Loading />}
      {found &&
        (["sweep", "verify"] as const).map((kind) => (
          <div key={kind} class="report">
            <h3>{t.admin.reportNames[kind]}</h3>
            {found[kind].length === 0 && <p class="muted">{t.admin.noReport[kind]}</p>}
            {found[kind].map((each) => (
              <One key={each.backend} report={each} />
            ))}
          </div>
        ))}
    </section>
  );
}

function One({ report }: { report: Report }) {
  const counts = report as unknown as Record<string, number | undefined>;
  const wrong = WRONG.filter((name) => (counts[name] ?? 0) > 0);
  const isOver = report.ended !== undefined;
  const why = report.doubt || report.stopped;
  return (
    <div class="report-line">
      <div>
        <strong>{report.backend}</strong>{" "}
        <span class="muted">
          {moment(report.ended ?? report.began)} · {number(report.blobs)} {t.admin.blobs},{" "}
          {bytes(report.bytes)}
        </span>
      </div>
      {wrong.length === 0 ? (
        <span class={`status ${isOver ? "complete" : "processing"}`}>
          {isOver ? t.admin.ok : t.admin.brokenOff}
        </span>
      ) : (
        <span class="status failed">
          {wrong.map((name) => `${number(counts[name] ?? 0)} ${t.admin.found[name]}`).join(", ")}
        </span>
      )}
      {why && <p class="hint">{why}</p>}
      {report.findings.length > 0 && (
        <details>
          <summary>{t.admin.findings(report.findings.length)}</summary>
          <ul>
            {report.findings.map((each) => (
              <li key={each.what + each.key}>
                {each.what}:{" "}
                {each.file_id ? (
                  <a href={`/f/${each.file_id}`}>{each.name ?? each.file_id}</a>
                ) : (
                  <code>{each.key}</code>
                )}{" "}
                <span class="muted">{each.reason}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
