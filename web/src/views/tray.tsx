// What is being uploaded, in a corner of the page.

import { Icon } from "../icons.tsx";
import { known, revision } from "../files.ts";
import { bytes, left } from "../format.ts";
import { go } from "../router.ts";
import { t } from "../texts.ts";
import { Button, Progress } from "../ui.tsx";
import {
  active,
  cancel,
  clearFinished,
  isOpen,
  pause,
  resume,
  type Upload,
  uploads,
} from "../uploads.ts";
import { Thumb } from "./browse.tsx";

const SHOWN = 100;

export function Tray() {
  const all = uploads.value;
  if (all.length === 0) return null;
  const going = active.value.length;
  const bad = all.filter((each) => ["failed", "refused"].includes(each.state)).length;
  const stored = all.filter((each) => ["processing", "ready"].includes(each.state)).length;
  const title = going
    ? t.upload.active(going)
    : bad
      ? t.upload.someFailed(bad)
      : t.upload.done(stored);
  const size = all.reduce((sum, each) => sum + each.size, 0);
  const sent = all.reduce((sum, each) => sum + each.sent, 0);
  const rate = all.reduce((sum, each) => sum + each.rate, 0);
  // Those that need somebody stand first, those that are over last.
  const order = ["failed", "refused", "sending", "waiting", "paused", "processing", "ready"];
  const sorted = [...all].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  return (
    <section class="tray" aria-label={t.upload.title}>
      <header>
        <div>
          <h2>
            <span role="status">{title}</span>
          </h2>
          {going > 0 && rate > 0 && (
            <small>{t.upload.rate(bytes(rate), left((size - sent) / rate))}</small>
          )}
        </div>
        {going === 0 && (
          <Button label={t.upload.clear} kind="quiet" onClick={clearFinished} />
        )}
        <Button
          label={isOpen.value ? t.upload.collapse : t.upload.expand}
          icon={isOpen.value ? "down" : "up"}
          iconOnly
          kind="quiet"
          onClick={() => {
            isOpen.value = !isOpen.value;
          }}
        />
      </header>
      {going > 0 && <Progress value={size ? (100 * sent) / size : null} label={t.upload.title} />}
      {isOpen.value && (
        <ul>
          {sorted.slice(0, SHOWN).map((each) => (
            <Item key={each.id} upload={each} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Item({ upload: told }: { upload: Upload }) {
  revision.value;
  // The list may have heard of it later than the tray.
  const upload = { ...told, file: (told.file && known(told.file._id)) ?? told.file };
  const { id, name, state } = upload;
  return (
    <li class={state}>
      <span class="tray-thumb">
        {upload.file ? <Thumb file={upload.file} width={40} /> : <Icon name="file" />}
      </span>
      <div class="tray-text">
        <span class="name" title={name}>
          {name}
        </span>
        <small>{said(upload)}</small>
        {state === "sending" && (
          <Progress value={(100 * upload.sent) / Math.max(1, upload.size)} label={name} />
        )}
        {state === "processing" && (
          <Progress value={upload.file?.processing?.progress ?? null} label={name} />
        )}
      </div>
      {(state === "sending" || state === "waiting") && (
        <Button
          label={t.upload.pause(name)}
          icon="pause"
          iconOnly
          kind="quiet"
          onClick={() => void pause(id)}
        />
      )}
      {state === "paused" && (
        <Button
          label={t.upload.resume(name)}
          icon="play"
          iconOnly
          kind="quiet"
          onClick={() => void resume(id)}
        />
      )}
      {state === "failed" && (
        <Button
          label={t.upload.retry(name)}
          icon="retry"
          iconOnly
          kind="quiet"
          onClick={() => void resume(id)}
        />
      )}
      {upload.file && (
        <Button
          label={t.upload.show(name)}
          icon="open"
          iconOnly
          kind="quiet"
          onClick={() => go(`/f/${upload.file?._id ?? ""}`)}
        />
      )}
      {state !== "processing" && state !== "ready" && (
        <Button
          label={t.upload.cancel(name)}
          icon="close"
          iconOnly
          kind="quiet"
          onClick={() => void cancel(id)}
        />
      )}
    </li>
  );
}

function said(upload: Upload): string {
  const { state, why, size, sent, rate } = upload;
  if (state === "sending") {
    const time = rate > 0 ? left((size - sent) / rate) : "";
    const speed = rate > 0 ? ` · ${t.upload.rate(bytes(rate), time)}` : "";
    return `${bytes(sent)} / ${bytes(size)}${speed}`;
  }
  if (state === "failed" || state === "refused") return why;
  if (state === "processing") {
    const { progress, step } = upload.file?.processing ?? {};
    return t.processing(progress, step);
  }
  if (state === "ready") return why ? `${t.status.failed}: ${why}` : t.upload.ready;
  const come = state === "paused" && sent > 0 ? `${bytes(sent)} / ` : "";
  return `${t.upload[state]} · ${come}${bytes(size)}`;
}
