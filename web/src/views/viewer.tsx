// One file, as large as the window.

import { useEffect, useRef, useState } from "preact/hooks";
import { copyLink, download, mayDelete, remove } from "../actions.ts";
import { ApiError, sentence, wasAborted } from "../api.ts";
import { session, user } from "../auth.ts";
import { ensure, fileAt, indexOf, known, query, read, revision, selection, show, total } from "../files.ts";
import { bytes } from "../format.ts";
import { Icon, iconOf } from "../icons.tsx";
import { go, place } from "../router.ts";
import { t } from "../texts.ts";
import type { FileDoc } from "../types.ts";
import { Button, Empty } from "../ui.tsx";
import { About, useWhole } from "./details.tsx";
import { Film } from "./film.tsx";
import { Picture } from "./picture.tsx";
import { Sound } from "./sound.tsx";
import { TextFile } from "./text.tsx";

const TEXTS = /^(text\/|application\/(json|xml|x-yaml|yaml|javascript|x-sh|toml))/;
const FILMS = /^(video\/|application\/(mxf|mp4|ogg)$)/;

export function Viewer() {
  const now = place.value;
  const id = now.view === "file" ? now.file : "";
  const [file, setFile] = useState<FileDoc | null>(() => known(id) ?? null);
  const [problem, setProblem] = useState<unknown>(null);
  revision.value;
  useEffect(() => {
    const controller = new AbortController();
    const there = known(id);
    setProblem(null);
    setFile(there ?? null);
    if (!there) {
      read(id, controller.signal).then(setFile, (error: unknown) => {
        if (!wasAborted(error)) setProblem(error);
      });
    }
    return () => controller.abort();
  }, [id, session.value?.user?._id]);
  if (problem !== null) return <Missing problem={problem} />;
  if (!file || file._id !== id) return <div class="viewer starting" aria-label={t.loading} />;
  return <Shown key={id} listed={known(id) ?? file} />;
}

function Missing({ problem }: { problem: unknown }) {
  const isGone = problem instanceof ApiError && [403, 404].includes(problem.status);
  return (
    <main class="viewer">
      <Empty
        icon="warn"
        title={t.viewer.notFound}
        action={
          <>
            {!user.value && (
              <a class="button primary" href="/sign-in">
                {t.signIn.title}
              </a>
            )}
            <a class="button" href="/">
              {t.viewer.gone}
            </a>
          </>
        }
      >
        {isGone ? t.viewer.notFoundHow : sentence(problem)}
      </Empty>
    </main>
  );
}

function Shown({ listed }: { listed: FileDoc }) {
  const file = useWhole(listed);
  const [showsAbout, setShowsAbout] = useState(false);
  const main = useRef<HTMLElement>(null);
  const at = indexOf(file._id);
  const count = total.value ?? 0;
  const isFilm = FILMS.test(file.content_type);

  const close = (): void => {
    const project = file.project ?? query.peek()?.project;
    go(project ? `/p/${project}` : "/");
    requestAnimationFrame(() => document.getElementById("files")?.focus());
  };
  const step = async (by: number): Promise<void> => {
    const to = at + by;
    if (at < 0 || to < 0 || to >= count) return;
    await ensure(to, to + 1);
    const next = fileAt(to);
    if (!next) return;
    selection.value = { chosen: new Set([next._id]), active: to, anchor: to };
    go(`/f/${next._id}`, { replace: true });
  };
  const discard = async (): Promise<void> => {
    const next = fileAt(at + 1) ?? fileAt(at - 1);
    if (next) go(`/f/${next._id}`, { replace: true });
    else close();
    await remove([file]);
  };

  useEffect(() => {
    document.title = `${file.filename} – ${t.name}`;
    main.current?.focus();
    if (!query.peek() && file.project) show(file.project);
  }, [file._id]);
  useEffect(() => {
    const hear = (event: KeyboardEvent): void => {
      const isTyping = (event.target as Element | null)?.closest("input, textarea, dialog, .menu");
      const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
      if (event.defaultPrevented || isTyping || !isPlain) return;
      const keys: Record<string, () => void> = {
        Escape: close,
        PageUp: () => void step(-1),
        PageDown: () => void step(1),
        i: () => setShowsAbout(!showsAbout),
        d: () => void download([file]),
        c: () => void copyLink(file),
        ...(!isFilm && { ArrowLeft: () => void step(-1), ArrowRight: () => void step(1) }),
        ...(mayDelete(file) && { Delete: () => void discard() }),
      };
      const run = keys[event.key];
      if (!run) return;
      event.preventDefault();
      run();
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  });

  return (
    <main class="viewer" ref={main} tabIndex={-1} aria-label={t.viewer.title(file.filename)}>
      <header class="viewer-head">
        <Button label={t.close} icon="close" iconOnly kind="quiet" keys="Esc" onClick={close} />
        <h1 title={file.filename}>{file.filename}</h1>
        {at >= 0 && count > 0 && (
          <small class="only-wide">{`${at + 1} / ${count}`}</small>
        )}
        <span class="spacer" />
        <Button
          label={t.details.copyLink}
          icon="link"
          iconOnly
          kind="quiet"
          keys="C"
          disabled={!file.link}
          onClick={() => void copyLink(file)}
        />
        <Button
          label={t.details.download}
          icon="download"
          iconOnly
          kind="quiet"
          keys="D"
          disabled={!file.link}
          onClick={() => void download([file])}
        />
        {mayDelete(file) && (
          <Button
            label={t.details.delete}
            icon="trash"
            iconOnly
            kind="quiet"
            keys="Del"
            onClick={() => void discard()}
          />
        )}
        <Button
          label={t.files.details}
          icon="info"
          iconOnly
          kind="quiet"
          keys="I"
          pressed={showsAbout}
          onClick={() => setShowsAbout(!showsAbout)}
        />
      </header>
      <div class="viewer-body">
        <div class="stage">
          <Content file={file} />
          {at > 0 && (
            <Button
              class="step before"
              label={t.viewer.previous}
              icon="left"
              iconOnly
              onClick={() => void step(-1)}
            />
          )}
          {at >= 0 && at < count - 1 && (
            <Button
              class="step after"
              label={t.viewer.next}
              icon="right"
              iconOnly
              onClick={() => void step(1)}
            />
          )}
        </div>
        {showsAbout && (
          <aside class="details" aria-label={t.details.title}>
            <div class="details-body">
              <About file={file} />
            </div>
          </aside>
        )}
      </div>
    </main>
  );
}

function Content({ file }: { file: FileDoc }) {
  const type = file.content_type;
  const hasPreviews = (file.variations ?? []).some((each) => each.link);
  if (FILMS.test(type) && hasPreviews) return <Film file={file} />;
  if (type.startsWith("audio/") && file.link) return <Sound file={file} />;
  if (type.startsWith("image/") && hasPreviews) return <Picture file={file} />;
  if (TEXTS.test(type) && file.link) return <TextFile file={file} />;
  const isPdf = type === "application/pdf";
  if (isPdf && file.link && navigator.pdfViewerEnabled) {
    return <iframe class="pdf" src={file.link} title={file.filename} referrerpolicy="no-referrer" />;
  }
  return (
    <div class="other">
      <Icon name={iconOf(type)} size={64} />
      <p>
        <strong>{type}</strong> · {bytes(file.length)}
      </p>
      <p class="hint">
        {file.status === "failed"
          ? (file.processing?.error ?? t.details.unknownReason)
          : isPdf
            ? t.viewer.pdf
            : t.viewer.noPreview}
      </p>
      <div class="actions">
        {isPdf && file.link && (
          <a class="button primary" href={file.link} target="_blank" rel="noopener noreferrer">
            <Icon name="open" />
            {t.viewer.openTab}
          </a>
        )}
        <Button
          label={t.details.download}
          icon="download"
          kind={isPdf ? "plain" : "primary"}
          disabled={!file.link}
          onClick={() => void download([file])}
        />
      </div>
    </div>
  );
}
