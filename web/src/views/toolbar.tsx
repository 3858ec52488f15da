// What is listed, how it is shown, and uploading.

import { useEffect, useState } from "preact/hooks";
import { allChosen } from "../actions.ts";
import { user } from "../auth.ts";
import { query, selection, show, total } from "../files.ts";
import { acquaintances, meet } from "../people.ts";
import { layout, showsDetails, tileSize, toggleDetails } from "../prefs.ts";
import { byId, managing, may } from "../projects.ts";
import { EVERYTHING, filtersOf, type Kind, type Query, type SortField } from "../query.ts";
import { NOTHING } from "../selection.ts";
import { t } from "../texts.ts";
import { Button, Field, showMenu } from "../ui.tsx";
import { itemsFor } from "./browse.tsx";
import { chooseFiles } from "./drop.tsx";
import { Icon } from "../icons.tsx";
import { isNavigationOpen } from "./sidebar.tsx";

const PAUSE = 250;
const SORTS: SortField[] = ["_created", "filename", "content_type", "length", "status", "user"];
const KINDS: Exclude<Kind, "">[] = ["image", "video", "audio", "document", "other"];
const STATES = ["queued_for_processing", "processing", "complete", "failed"] as const;
const MB = 1_000_000;

export function Toolbar() {
  const listed = query.value;
  const [showsFilters, setShowsFilters] = useState(false);
  if (!listed) return null;
  const project = byId.value.get(listed.project);
  const set = filtersOf(listed);
  const isGrid = layout.value === "grid";
  const mayAdd = may(listed.project, "POST") && !listed.deleted;
  return (
    <header class="toolbar">
      <div class="toolbar-line">
        <Button
          class="only-narrow"
          label={t.projects.open}
          icon="menu"
          iconOnly
          kind="quiet"
          onClick={() => {
            isNavigationOpen.value = true;
          }}
        />
        <div class="toolbar-title">
          <h1>
            <span>{listed.deleted ? t.files.deleted : (project?.name ?? "")}</span>
            {total.value !== null && <small>{t.files.count(total.value)}</small>}
          </h1>
          {(may(listed.project, "PUT") || may(listed.project, "DELETE")) && (
            <Button
              label={t.projects.manage}
              icon="users"
              iconOnly
              kind="quiet"
              onClick={() => {
                managing.value = listed.project;
              }}
            />
          )}
        </div>
        <Search listed={listed} />
        <div class="tools">
          <Button
            label={set ? t.files.filtersSet(set) : t.files.filters}
            icon="filter"
            iconOnly
            kind="quiet"
            pressed={showsFilters || set > 0}
            onClick={() => setShowsFilters(!showsFilters)}
          />
          <Button
            label={t.files.sort}
            icon="sort"
            iconOnly
            kind="quiet"
            expanded={false}
            onClick={(event) => chooseSort(listed, event.currentTarget)}
          />
          <span class="switch" role="group" aria-label={`${t.files.grid} / ${t.files.list}`}>
            <Button
              label={t.files.grid}
              icon="grid"
              iconOnly
              kind="quiet"
              keys="G"
              pressed={isGrid}
              onClick={() => {
                layout.value = "grid";
              }}
            />
            <Button
              label={t.files.list}
              icon="list"
              iconOnly
              kind="quiet"
              keys="L"
              pressed={!isGrid}
              onClick={() => {
                layout.value = "list";
              }}
            />
          </span>
          {isGrid && (
            <input
              class="tile-size only-wide"
              type="range"
              min={110}
              max={380}
              step={10}
              value={tileSize.value}
              aria-label={t.files.tileSize}
              onInput={(event) => {
                tileSize.value = Number(event.currentTarget.value);
              }}
            />
          )}
          <Button
            label={t.files.details}
            icon="info"
            iconOnly
            kind="quiet"
            keys="I"
            pressed={showsDetails.value}
            onClick={toggleDetails}
          />
        </div>
        {mayAdd && (
          <Button
            class="upload-button"
            label={t.upload.button}
            icon="upload"
            kind="primary"
            expanded={false}
            onClick={(event) =>
              showMenu(
                t.upload.button,
                [
                  { label: t.upload.files, icon: "file", keys: "U", run: () => chooseFiles() },
                  {
                    label: t.upload.folder,
                    icon: "folder",
                    run: () => chooseFiles({ folder: true }),
                  },
                ],
                event.currentTarget,
              )
            }
          />
        )}
      </div>
      {showsFilters && <Filters listed={listed} />}
      <Chosen />
    </header>
  );
}

function Search({ listed }: { listed: Query }) {
  const [text, setText] = useState(listed.search);
  useEffect(() => setText(listed.search), [listed.project, listed.deleted, listed.search]);
  useEffect(() => {
    if (text === listed.search) return;
    const timer = setTimeout(() => show(listed.project, { search: text }), PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div class="search">
      <Icon name="search" size={16} />
      <input
        id="search"
        type="search"
        placeholder={t.files.search}
        aria-label={t.files.search}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") setText("");
          if (event.key === "ArrowDown") document.getElementById("files")?.focus();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

function chooseSort(listed: Query, at: HTMLElement): void {
  showMenu(
    t.files.sortBy,
    [
      ...SORTS.map((field) => ({
        label: t.fields[field],
        checked: listed.sort === field,
        run: () => show(listed.project, { sort: field }),
      })),
      null,
      ...[false, true].map((descending) => ({
        label: descending ? t.files.descending : t.files.ascending,
        checked: listed.descending === descending,
        run: () => show(listed.project, { descending }),
      })),
    ],
    at,
  );
}

function Filters({ listed }: { listed: Query }) {
  const set = (change: Partial<Query>): void => show(listed.project, change);
  const me = user.value;
  useEffect(() => {
    void meet(listed.project);
  }, [listed.project]);
  const others = acquaintances().filter(([id]) => id !== me?._id);
  const inMegabytes = (value: number | null): string => (value === null ? "" : String(value / MB));
  const megabytes = (text: string): number | null => (text === "" ? null : Number(text) * MB);
  return (
    <div class="filters" role="group" aria-label={t.files.filters}>
      <Field label={t.filter.type}>
        {(id) => (
          <select
            id={id}
            value={listed.kind}
            onChange={(event) => set({ kind: event.currentTarget.value as Kind })}
          >
            <option value="">{t.filter.any}</option>
            {KINDS.map((kind) => (
              <option key={kind} value={kind}>
                {t.filter.kinds[kind]}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={t.filter.state}>
        {(id) => (
          <select
            id={id}
            value={listed.status}
            onChange={(event) => set({ status: event.currentTarget.value })}
          >
            <option value="">{t.filter.any}</option>
            {STATES.map((state) => (
              <option key={state} value={state}>
                {t.status[state]}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={t.filter.uploader}>
        {(id) => (
          <select
            id={id}
            value={listed.uploader}
            onChange={(event) => set({ uploader: event.currentTarget.value })}
          >
            <option value="">{t.filter.any}</option>
            {me && <option value={me._id}>{t.filter.me}</option>}
            {others.map(([each, name]) => (
              <option key={each} value={each}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={t.filter.since}>
        {(id) => (
          <input
            id={id}
            type="date"
            value={listed.since}
            onChange={(event) => set({ since: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field label={t.filter.until}>
        {(id) => (
          <input
            id={id}
            type="date"
            value={listed.until}
            onChange={(event) => set({ until: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field label={t.filter.atLeast}>
        {(id) => (
          <input
            id={id}
            type="number"
            min={0}
            step="any"
            value={inMegabytes(listed.atLeast)}
            onChange={(event) => set({ atLeast: megabytes(event.currentTarget.value) })}
          />
        )}
      </Field>
      <Field label={t.filter.atMost}>
        {(id) => (
          <input
            id={id}
            type="number"
            min={0}
            step="any"
            value={inMegabytes(listed.atMost)}
            onChange={(event) => set({ atMost: megabytes(event.currentTarget.value) })}
          />
        )}
      </Field>
      <Button
        label={t.filter.clear}
        disabled={filtersOf(listed) === 0}
        onClick={() => {
          const { sort, descending, search, deleted } = listed;
          set({ ...EVERYTHING, sort, descending, search, deleted });
        }}
      />
    </div>
  );
}

/** What can be done to several files, while several are chosen. */
function Chosen() {
  const { chosen } = selection.value;
  if (chosen.size < 2) return null;
  return (
    <div class="chosen">
      <span>{t.files.chosen(chosen.size)}</span>
      <Button
        label={t.details.more}
        icon="more"
        expanded={false}
        onClick={(event) => {
          const button = event.currentTarget;
          void allChosen().then((files) => showMenu(t.details.more, itemsFor(files), button));
        }}
      />
      <Button
        label={t.filter.clear}
        kind="quiet"
        icon="close"
        onClick={() => {
          selection.value = NOTHING;
        }}
      />
    </div>
  );
}
