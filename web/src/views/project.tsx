// What is done to a project as a whole: who is in it, its name, who sees it, and its end.

import { useState } from "preact/hooks";
import { ApiError, api, get, sentence } from "../api.ts";
import { useAsked } from "../asking.ts";
import { bytes } from "../format.ts";
import { byId, change, left, load, managing } from "../projects.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import type { FileDoc, List, Project } from "../types.ts";
import { Button, Dialog, Field } from "../ui.tsx";
import { Loading } from "./loading.tsx";
import { Members } from "./members.tsx";
import { Sure } from "./sure.tsx";

const PARTS = ["members", "settings"] as const;

export function ManagedProject() {
  const id = managing.value ?? "";
  const [part, setPart] = useState<(typeof PARTS)[number]>("members");
  const { found, problem, again } = useAsked(
    (signal) => get<Project>(`/api/projects/${id}`, {}, signal),
    [id],
  );
  const may = found?.allowed_methods ?? [];
  return (
    <Dialog
      title={found?.name ?? byId.value.get(id)?.name ?? ""}
      onClose={() => {
        managing.value = null;
      }}
      wide
    >
      <div class="segmented" role="group" aria-label={t.projects.parts}>
        {PARTS.map((each) => (
          <button
            key={each}
            type="button"
            aria-pressed={part === each}
            onClick={() => setPart(each)}
          >
            {t.projects[each]}
          </button>
        ))}
      </div>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {!found && !problem && <Loading />}
      {found && (
        <>
          <div class="part" hidden={part !== "members"}>
            <Members project={found} onChanged={again} />
          </div>
          <div class="part" hidden={part !== "settings"}>
            {may.includes("PUT") && <Settings key={found._etag} project={found} onOld={again} />}
            {may.includes("DELETE") && <End project={found} />}
          </div>
        </>
      )}
    </Dialog>
  );
}

function Settings({ project, onOld }: { project: Project; onOld: () => void }) {
  const [name, setName] = useState(project.name);
  const [description, setDescription] = useState(project.description ?? "");
  const [isPrivate, setIsPrivate] = useState(project.is_private === true);
  const [problem, setProblem] = useState("");
  const save = async (): Promise<void> => {
    const { world } = project.permissions;
    const isOther = isPrivate !== (project.is_private === true);
    try {
      await change(project, {
        name: name.trim(),
        description: description.trim() || null,
        ...(isOther && { permissions: { world: isPrivate ? [] : ["GET", ...world] } }),
      });
      await load();
      managing.value = null;
      toast(t.projects.saved);
    } catch (error) {
      if (error instanceof ApiError && error.status === 412) {
        toast(t.projects.conflict, "bad");
        onOld();
      }
      setProblem(sentence(error));
    }
  };
  return (
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
            autocomplete="off"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field label={t.fields.description}>
        {(id) => (
          <textarea
            id={id}
            rows={3}
            value={description}
            maxLength={65536}
            onInput={(event) => setDescription(event.currentTarget.value)}
          />
        )}
      </Field>
      <div>
        <label class="check">
          <input
            type="checkbox"
            checked={isPrivate}
            aria-describedby="seen-by"
            onChange={(event) => setIsPrivate(event.currentTarget.checked)}
          />
          {t.projects.isPrivate}
        </label>
        <small id="seen-by">{isPrivate ? t.projects.seenByMembers : t.projects.seenByAll}</small>
      </div>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <footer>
        <Button label={t.save} kind="primary" type="submit" />
      </footer>
    </form>
  );
}

function End({ project }: { project: Project }) {
  const [isAsking, setIsAsking] = useState(false);
  return (
    <section class="end">
      <p class="hint">{t.projects.deleteHow}</p>
      <Button
        label={t.projects.delete}
        icon="trash"
        kind="danger"
        onClick={() => setIsAsking(true)}
      />
      {isAsking && <Really project={project} onClose={() => setIsAsking(false)} />}
    </section>
  );
}

function Really({ project, onClose }: { project: Project; onClose: () => void }) {
  const { found } = useAsked(async (signal) => {
    const where = { project: project._id };
    const [files, held] = await Promise.all([
      get<List<FileDoc>>("/api/files", { where, max_results: 1 }, signal),
      get<{ file_size_used: number }>(`/api/p/${project._id}/quotas`, {}, signal),
    ]);
    return t.projects.holds(files._meta.total, bytes(held.file_size_used));
  }, [project._id]);
  return (
    <Sure
      title={t.projects.deleteTitle(project.name)}
      action={t.projects.delete}
      word={project.name}
      onYes={async () => {
        await api("DELETE", `/api/projects/${project._id}`, { etag: project._etag });
        await left(project, t.projects.deleted(project.name));
      }}
      onClose={onClose}
    >
      {found} {t.projects.deleteWarning}
    </Sure>
  );
}
