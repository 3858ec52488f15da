// Everything about one file beside the list or the viewer.

import { useEffect, useState } from "preact/hooks";
import {
  allChosen,
  change,
  chosenFiles,
  copy,
  copyLink,
  download,
  mayChange,
  mayDelete,
  remove,
  restore,
  tryAgain,
} from "../actions.ts";
import { wasAborted } from "../api.ts";
import { put, query, read, revision, selection } from "../files.ts";
import { bytes, clock, left, moment, number } from "../format.ts";
import { rateOf, spoken } from "../frames.ts";
import { Icon } from "../icons.tsx";
import { follow, isWorkedOn, only } from "../live.ts";
import { nameOf } from "../people.ts";
import { toggleDetails } from "../prefs.ts";
import { byId } from "../projects.ts";
import { place } from "../router.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import type { FileDoc, Variation } from "../types.ts";
import { Button, Empty, Progress } from "../ui.tsx";
import { openFile, Status, Thumb } from "./browse.tsx";
import { renaming } from "./rename.tsx";

export function Details() {
  const count = selection.value.chosen.size;
  const file = only();
  return (
    <aside class="details" aria-label={t.details.title}>
      <Button
        class="only-narrow details-close"
        label={t.close}
        icon="close"
        iconOnly
        kind="quiet"
        onClick={toggleDetails}
      />
      {file ? <Whole key={file._id} listed={file} /> : count > 1 ? <Several /> : <None />}
    </aside>
  );
}

function None() {
  const about = byId.value.get(query.value?.project ?? "")?.description;
  return (
    <>
      {about && (
        <section class="about">
          <h3>{t.details.about}</h3>
          <p>{about}</p>
        </section>
      )}
      <Empty icon="info" title={t.details.none}>
        {t.details.noneHow}
      </Empty>
    </>
  );
}

function Several() {
  revision.value;
  const { chosen } = selection.value;
  const files = chosenFiles();
  const size = files.reduce((sum, file) => sum + file.length, 0);
  const isDeleted = query.value?.deleted ?? false;
  return (
    <div class="details-body">
      <div class="stack" aria-hidden="true">
        {files.slice(0, 3).map((file) => (
          <div key={file._id}>
            <Thumb file={file} width={160} />
          </div>
        ))}
      </div>
      <h2>{t.details.several(chosen.size, bytes(size))}</h2>
      <div class="actions">
        {isDeleted ? (
          <Button
            label={t.details.restore}
            icon="restore"
            onClick={() => void allChosen().then(restore)}
          />
        ) : (
          <>
            <Button
              label={t.details.download}
              icon="download"
              onClick={() => void allChosen().then(download)}
            />
            {files.every(mayDelete) && (
              <Button
                label={t.details.delete}
                icon="trash"
                kind="danger"
                onClick={() => void allChosen().then(remove)}
              />
            )}
          </>
        )}
      </div>
    </div>
  );
}

/** The whole document of a file that the list knows in part, followed while it is worked on. */
export function useWhole(listed: FileDoc, isSeen = true): FileDoc {
  const [whole, setWhole] = useState<FileDoc | null>(null);
  const isDeleted = listed._deleted === true;
  useEffect(() => {
    if (isDeleted || !isSeen) return;
    const controller = new AbortController();
    const hear = (file: FileDoc): void => {
      setWhole(file);
      put([file]);
    };
    void (async () => {
      try {
        const file = await read(listed._id, controller.signal);
        setWhole(file);
        if (isWorkedOn(file)) await follow(file, hear, controller.signal);
      } catch (error) {
        if (!wasAborted(error)) setWhole(null);
      }
    })();
    return () => controller.abort();
  }, [listed._id, listed._etag, isDeleted, isSeen]);
  return whole ? { ...listed, ...whole } : listed;
}

function Whole({ listed }: { listed: FileDoc }) {
  // The viewer lies above, and asks for the same.
  const file = useWhole(listed, place.value.view !== "file");
  return (
    <div class="details-body">
      <button
        type="button"
        class="preview"
        aria-label={`${t.details.open} ${file.filename}`}
        onClick={() => openFile(file)}
      >
        <Thumb file={file} width={360} />
      </button>
      <About file={file} />
    </div>
  );
}

/** What is known of a file, and what can be done to it. */
export function About({ file }: { file: FileDoc }) {
  const isDeleted = file._deleted === true || query.value?.deleted === true;
  return (
    <>
      <h2 class="filename">{file.filename}</h2>
      <div class="state-line">
        <Status file={file} />
        {isWorkedOn(file) && file.processing?.seconds_left !== undefined && (
          <small>{t.timeLeft(left(file.processing.seconds_left))}</small>
        )}
      </div>
      {isWorkedOn(file) && (
        <Progress value={file.processing?.progress ?? null} label={t.status.processing} />
      )}
      {file.status === "failed" && <Failure file={file} />}
      <div class="actions">
        {isDeleted ? (
          mayDelete(file) && (
            <Button
              label={t.details.restore}
              icon="restore"
              kind="primary"
              onClick={() => void restore([file])}
            />
          )
        ) : (
          <>
            <Button
              label={t.details.download}
              icon="download"
              disabled={!file.link}
              onClick={() => void download([file])}
            />
            <Button
              label={t.details.copyLink}
              icon="link"
              disabled={!file.link}
              onClick={() => void copyLink(file)}
            />
            {mayChange(file) && (
              <Button
                label={t.details.rename}
                icon="edit"
                onClick={() => {
                  renaming.value = file;
                }}
              />
            )}
            {mayDelete(file) && (
              <Button
                label={t.details.delete}
                icon="trash"
                kind="danger"
                onClick={() => void remove([file])}
              />
            )}
          </>
        )}
      </div>
      {!isDeleted && <Description file={file} />}
      <section>
        <h3>{t.details.information}</h3>
        <Facts file={file} />
      </section>
      {!isDeleted && <Links file={file} />}
    </>
  );
}

function Failure({ file }: { file: FileDoc }) {
  return (
    <div class="failure" role="status">
      <strong>{t.details.why}</strong>
      <p>{file.processing?.error ?? t.details.unknownReason}</p>
      {mayChange(file) && (
        <Button label={t.details.again} icon="retry" onClick={() => void tryAgain(file)} />
      )}
    </div>
  );
}

function Description({ file }: { file: FileDoc }) {
  const [text, setText] = useState(file.description ?? "");
  const [isEditing, setIsEditing] = useState(false);
  useEffect(() => {
    if (!isEditing) setText(file.description ?? "");
  }, [file.description]);
  if (!mayChange(file)) return file.description ? <p class="description">{file.description}</p> : null;
  const save = async (): Promise<void> => {
    setIsEditing(false);
    const wanted = text.trim();
    if (wanted === (file.description ?? "")) return;
    const now = await change(file, { description: wanted || null });
    if (now) toast(t.change.described);
  };
  return (
    <textarea
      class="description"
      aria-label={t.fields.description}
      placeholder={t.details.describe}
      rows={text ? Math.min(8, text.split("\n").length + 1) : 1}
      value={text}
      onFocus={() => setIsEditing(true)}
      onInput={(event) => setText(event.currentTarget.value)}
      onBlur={() => void save()}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.blur();
        event.stopPropagation();
      }}
    />
  );
}

function Facts({ file }: { file: FileDoc }) {
  const { media } = file;
  const rate = rateOf(media?.frame_rate);
  const [added, changed] = [moment(file._created), moment(file._updated)];
  const facts: [string, string | undefined][] = [
    [t.fields.content_type, file.content_type],
    [t.fields.length, `${bytes(file.length)} (${number(file.length)} B)`],
    [
      t.fields.aggregate,
      file.length_aggregate_in_bytes ? bytes(file.length_aggregate_in_bytes) : undefined,
    ],
    [
      t.fields.dimensions,
      file.width && file.height ? `${file.width} × ${file.height}` : undefined,
    ],
    [t.fields.duration, file.duration ? clock(media?.seconds ?? file.duration) : undefined],
    [t.fields.frames, media?.frames ? number(media.frames) : undefined],
    [t.fields.frameRate, rate ? `${spoken(rate)} (${media?.frame_rate ?? ""})` : undefined],
    [
      t.fields.codec,
      [media?.container, media?.video_codec, media?.audio_codec].filter(Boolean).join(", "),
    ],
    [
      t.fields.audio,
      media?.sample_rate ? `${media.channels ?? "?"} × ${media.sample_rate / 1000} kHz` : undefined,
    ],
    [t.fields.user, nameOf(file.user)],
    [t.fields.project, byId.value.get(file.project ?? "")?.name],
    [t.fields._created, added],
    [t.fields.changed, changed === added ? undefined : changed],
    [t.fields.backend, file.backend],
  ];
  return (
    <dl class="facts">
      {facts.map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
      <Copyable name={t.fields.id} value={file._id} />
      {file.sha256 && <Copyable name={t.details.sha} value={file.sha256} />}
    </dl>
  );
}

function Copyable({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="copyable">
        <code title={value}>{value}</code>
        <Button
          label={t.details.copy(name)}
          icon="copy"
          iconOnly
          kind="quiet"
          onClick={() => void copy(value, t.details.copiedPlain)}
        />
      </dd>
    </div>
  );
}

/** What a variation is, in words. */
function spelled(variation: Variation): string {
  const { size } = variation;
  if (size in t.variation && !["preview", "film"].includes(size)) {
    return t.variation[size as "poster"];
  }
  if (/^[sbtmlh]$/.test(size)) return t.variation.preview(size);
  return variation.content_type.startsWith("video/") ? t.variation.film(size) : size;
}

function Links({ file }: { file: FileDoc }) {
  // The parts of a stream and the sheets of small pictures are of no use by themselves.
  const shown = (file.variations ?? []).filter(
    (each) =>
      each.link &&
      !/^sprites-\d/.test(each.size) &&
      !(each.size !== "hls" && ["m3u8", "m4s"].includes(each.format ?? "")),
  );
  if (!file.link && shown.length === 0) {
    return (
      <section>
        <h3>{t.details.links}</h3>
        <p class="hint">{t.details.noLinks}</p>
      </section>
    );
  }
  return (
    <section>
      <h3>{t.details.links}</h3>
      {file.link_expires && <p class="hint">{t.details.linksHow(moment(file.link_expires))}</p>}
      <ul class="links">
        {file.link && (
          <Line file={file} name={t.details.original} about={bytes(file.length)} link={file.link} />
        )}
        {shown.map((each) => (
          <Line
            key={each.size + (each.format ?? "")}
            file={file}
            name={spelled(each)}
            about={[
              each.width && each.height ? `${each.width} × ${each.height}` : "",
              each.length ? bytes(each.length) : "",
              each.is_public ? t.details.publicLink : "",
            ]
              .filter(Boolean)
              .join(" · ")}
            link={each.link ?? ""}
          />
        ))}
      </ul>
    </section>
  );
}

function Line(props: { file: FileDoc; name: string; about: string; link: string }) {
  return (
    <li>
      <a href={props.link} target="_blank" rel="noopener noreferrer">
        <Icon name="open" size={14} />
        <span>{props.name}</span>
        <small>{props.about}</small>
      </a>
      <Button
        label={t.details.copy(`${t.details.links}: ${props.name}`)}
        icon="copy"
        iconOnly
        kind="quiet"
        onClick={() => void copyLink(props.file, props.link)}
      />
    </li>
  );
}
