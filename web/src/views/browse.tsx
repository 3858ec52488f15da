// The files of a project as a grid of previews or as a list. Only what is in view is in the page.

import type { TargetedKeyboardEvent, TargetedMouseEvent } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { allChosen, copyLink, download, mayChange, mayDelete, remove, restore } from "../actions.ts";
import {
  chooseAll,
  click,
  failure,
  fileAt,
  look,
  move,
  query,
  refresh,
  revision,
  selection,
  show,
  total,
} from "../files.ts";
import { bytes, clock, day } from "../format.ts";
import { Icon, iconOf } from "../icons.tsx";
import { isWorkedOn } from "../live.ts";
import { nameOf } from "../people.ts";
import { layout, tileSize } from "../prefs.ts";
import { may } from "../projects.ts";
import { EVERYTHING, filtersOf, type SortField } from "../query.ts";
import { go } from "../router.ts";
import { NOTHING, target } from "../selection.ts";
import { t } from "../texts.ts";
import type { FileDoc } from "../types.ts";
import { Button, Empty, type MenuItem, Progress, showMenu } from "../ui.tsx";
import { chooseFiles } from "./drop.tsx";
import { renaming } from "./rename.tsx";

const GAP = 12;
const CAPTION = 50;
const ROW = 44;
const AHEAD = 2;

interface Shape {
  columns: number;
  width: number;
  height: number;
  gap: number;
}

/** How many previews fit in a row, and how large each one is. Pure. */
function shapeOf(width: number, isGrid: boolean, wanted: number): Shape {
  if (!isGrid) return { columns: 1, width, height: ROW, gap: 0 };
  const least = Math.min(wanted, (width - GAP) / 2);
  const columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
  const tile = (width - GAP * (columns - 1)) / columns;
  return { columns, width: tile, height: Math.round(tile * 0.66) + CAPTION, gap: GAP };
}

export function openFile(file: FileDoc | undefined): void {
  if (file && !query.peek()?.deleted) go(`/f/${file._id}`);
}

export function Browse() {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [top, setTop] = useState(0);
  const isGrid = layout.value === "grid";
  const shape = shapeOf(size.width, isGrid, tileSize.value);
  const step = shape.height + shape.gap;
  const count = total.value ?? 0;
  const rows = Math.ceil(count / shape.columns);
  const firstRow = Math.max(0, Math.floor(top / step) - AHEAD);
  const lastRow = Math.min(rows, Math.ceil((top + size.height) / step) + AHEAD);
  const [from, to] = [firstRow * shape.columns, Math.min(count, lastRow * shape.columns)];
  const listed = query.value;
  revision.value;

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => {
      const style = getComputedStyle(element);
      const sides = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
      setSize({ width: element.clientWidth - sides, height: element.clientHeight });
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  const { active, chosen } = selection.value;

  // Another list begins at its top; another shape keeps the first file in view where it is.
  const kept = useRef({ columns: 1, step: 1 });
  useLayoutEffect(() => {
    box.current?.scrollTo(0, 0);
    setTop(0);
  }, [listed?.project, listed && JSON.stringify({ ...listed })]);
  useLayoutEffect(() => {
    const { columns, step: before } = kept.current;
    kept.current = { columns: shape.columns, step };
    const element = box.current;
    if (!element || before <= 1 || (before === step && columns === shape.columns)) return;
    // What the browser says by now is cut to the new height already; `top` is from before.
    const wasAt = Math.floor(active / columns) * before - top;
    const isActiveSeen = active >= 0 && wasAt > -before && wasAt < size.height;
    const file = isActiveSeen ? active : Math.floor(top / before) * columns;
    element.scrollTop = Math.floor(file / shape.columns) * step - (isActiveSeen ? wasAt : 0);
    setTop(element.scrollTop);
  }, [shape.columns, step]);

  useEffect(() => {
    if (size.height > 0) look(from, Math.max(to, from + 1));
  }, [from, to, size.height > 0, listed]);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element || active < 0) return;
    const begin = Math.floor(active / shape.columns) * step;
    const end = begin + shape.height;
    if (begin < element.scrollTop) element.scrollTop = begin;
    else if (end > element.scrollTop + size.height - 24) {
      element.scrollTop = end - size.height + 24;
    }
  }, [active]);

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const held = { ctrl: event.ctrlKey || event.metaKey, shift: event.shiftKey };
    const pageful = Math.max(1, Math.floor(size.height / step)) * shape.columns;
    const next = target(event.key, active, count, shape.columns, pageful);
    if (next !== null) {
      void move(next, held);
    } else if (event.key === "a" && held.ctrl) {
      void chooseAll();
    } else if (event.key === "Escape" && chosen.size > 0) {
      selection.value = { ...NOTHING, active };
    } else if (event.key === " " && held.ctrl && active >= 0) {
      click(active, held);
    } else if (event.key === "Enter" || event.key === " ") {
      openFile(fileAt(active));
    } else if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) {
      openMenu(document.getElementById(`file-${active}`) ?? event.currentTarget);
    } else if (!doneByKey(event)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const indices = Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at);
  const isReady = size.width > 0 && listed !== null;
  return (
    <div class="browse">
      {!isGrid && <ListHead />}
      <div
        ref={box}
        class={`files ${isGrid ? "as-grid" : "as-list"}`}
        id="files"
        role="listbox"
        aria-label={t.files.region}
        aria-description={t.files.keys}
        aria-multiselectable="true"
        aria-busy={total.value === null}
        aria-activedescendant={
          active >= from && active < to && fileAt(active) ? `file-${active}` : undefined
        }
        tabIndex={0}
        onKeyDown={onKeyDown}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
        onClick={(event) => {
          if (!(event.target as Element).closest("[role=option]")) selection.value = NOTHING;
        }}
        onContextMenu={(event) => {
          const tile = (event.target as Element).closest<HTMLElement>("[role=option]");
          if (!tile) return;
          event.preventDefault();
          const index = Number(tile.dataset.index);
          const file = fileAt(index);
          if (!file) return;
          if (!chosen.has(file._id)) click(index, { ctrl: false, shift: false });
          openMenu({ x: event.clientX, y: event.clientY });
        }}
      >
        <div
          class="canvas"
          role="presentation"
          style={{ height: `${Math.max(0, rows * step - shape.gap)}px` }}
        >
          {isReady &&
            indices.map((index) => (
              <Cell
                key={index}
                index={index}
                count={count}
                file={fileAt(index)}
                isGrid={isGrid}
                isChosen={chosen.has(fileAt(index)?._id ?? "")}
                isActive={index === active}
                x={(index % shape.columns) * (shape.width + shape.gap)}
                y={Math.floor(index / shape.columns) * step}
                width={shape.width}
                height={shape.height}
              />
            ))}
          {isReady && total.value === null && failure.value === null && (
            <Skeletons shape={shape} height={size.height} />
          )}
        </div>
      </div>
      <Nothing />
    </div>
  );
}

interface CellProps {
  index: number;
  count: number;
  file: FileDoc | undefined;
  isGrid: boolean;
  isChosen: boolean;
  isActive: boolean;
  x: number;
  y: number;
  width: number;
  height: number;
}

function Cell(props: CellProps) {
  const { index, file, isGrid } = props;
  const style = {
    transform: `translate(${props.x}px, ${props.y}px)`,
    width: `${props.width}px`,
    height: `${props.height}px`,
  };
  if (!file) return <div class={isGrid ? "tile skeleton" : "row skeleton"} style={style} />;
  const onClick = (event: TargetedMouseEvent<HTMLDivElement>): void => {
    const held = { ctrl: event.ctrlKey || event.metaKey, shift: event.shiftKey };
    const isTouch = (event as unknown as PointerEvent).pointerType === "touch";
    if (isTouch && selection.peek().chosen.size < 2) {
      click(index, held);
      openFile(file);
    } else {
      click(index, isTouch ? { ctrl: true, shift: false } : held);
    }
  };
  return (
    <div
      id={`file-${index}`}
      data-index={index}
      class={`${isGrid ? "tile" : "row"} ${props.isActive ? "active" : ""} ${file.status}`}
      role="option"
      aria-selected={props.isChosen}
      aria-posinset={index + 1}
      aria-setsize={props.count}
      style={style}
      onClick={onClick}
      onDblClick={() => openFile(file)}
    >
      {isGrid ? <Tile file={file} width={props.width} /> : <Row file={file} />}
    </div>
  );
}

function Tile({ file, width }: { file: FileDoc; width: number }) {
  return (
    <>
      <div class="thumb">
        <Thumb file={file} width={width} />
        {!isWorkedOn(file) && (file.duration ?? 0) > 0 && (
          <span class="badge">{clock(file.duration ?? 0)}</span>
        )}
        <State file={file} />
      </div>
      <div class="caption">
        <span class="name" title={file.filename}>
          {file.filename}
        </span>
        <span class="meta">
          {bytes(file.length)}
          {file.width && file.height ? ` · ${file.width} × ${file.height}` : ""}
        </span>
      </div>
    </>
  );
}

function Row({ file }: { file: FileDoc }) {
  return (
    <>
      <span class="cell thumb-cell">
        <Thumb file={file} width={52} />
      </span>
      <span class="cell name" title={file.filename}>
        {file.filename}
      </span>
      <span class="cell type">{file.content_type}</span>
      <span class="cell state">
        <Status file={file} />
      </span>
      <span class="cell user">{nameOf(file.user)}</span>
      <span class="cell added">{day(file._created)}</span>
      <span class="cell size">{bytes(file.length)}</span>
    </>
  );
}

/** The preview that is as large as it is shown, or the type's icon. */
export function Thumb({ file, width }: { file: FileDoc; width: number }) {
  const wanted = width * devicePixelRatio * 0.8;
  const pictures = (file.variations ?? []).filter(
    (each) => each.link && ["t", "m", "l"].includes(each.size),
  );
  const fitting =
    pictures.find((each) => Math.max(each.width ?? 0, each.height ?? 0) >= wanted) ??
    pictures.at(-1);
  if (!fitting?.link) return <Icon name={iconOf(file.content_type)} size={width > 100 ? 40 : 20} />;
  return (
    <img
      src={fitting.link}
      alt=""
      decoding="async"
      draggable={false}
      onLoad={(event) => event.currentTarget.classList.add("loaded")}
    />
  );
}

function State({ file }: { file: FileDoc }) {
  if (file.status === "failed") {
    return (
      <span class="badge failed">
        <Icon name="warn" size={14} />
        {t.status.failed}
      </span>
    );
  }
  if (!isWorkedOn(file)) return <span class="visually-hidden">{t.status[file.status]}</span>;
  const { progress, step } = file.processing ?? {};
  return (
    <div class="working">
      <span>
        {file.status === "processing" ? t.processing(progress, step) : t.status[file.status]}
      </span>
      <Progress value={progress ?? null} label={file.filename} />
    </div>
  );
}

export function Status({ file }: { file: FileDoc }) {
  const { progress } = file.processing ?? {};
  return (
    <span class={`status ${file.status}`}>
      {t.status[file.status]}
      {file.status === "processing" && progress !== undefined ? ` ${progress} %` : ""}
    </span>
  );
}

const COLUMNS: SortField[] = ["filename", "content_type", "status", "user", "_created", "length"];
const CLASS: Partial<Record<SortField, string>> = {
  filename: "name",
  content_type: "type",
  status: "state",
  _created: "added",
  length: "size",
};

function ListHead() {
  const listed = query.value;
  if (!listed) return null;
  return (
    <div class="list-head" role="group" aria-label={t.files.sort}>
      <span class="cell thumb-cell" />
      {COLUMNS.map((field) => {
        const isSorted = listed.sort === field;
        const order = listed.descending ? t.files.descending : t.files.ascending;
        return (
          <button
            key={field}
            type="button"
            class={`cell ${CLASS[field] ?? field} ${isSorted ? "sorted" : ""}`}
            aria-label={`${t.files.sortBy} ${t.fields[field]}${isSorted ? `, ${order}` : ""}`}
            onClick={() =>
              show(listed.project, {
                sort: field,
                descending: isSorted ? !listed.descending : ["_created", "length"].includes(field),
              })
            }
          >
            {t.fields[field]}
            {isSorted && <Icon name={listed.descending ? "down" : "up"} size={12} />}
          </button>
        );
      })}
    </div>
  );
}

function Skeletons({ shape, height }: { shape: Shape; height: number }) {
  const step = shape.height + shape.gap;
  const count = Math.ceil(height / step) * shape.columns;
  return (
    <>
      {Array.from({ length: count }, (_, index) => (
        <div
          key={index}
          class={shape.gap ? "tile skeleton" : "row skeleton"}
          style={{
            transform: `translate(${(index % shape.columns) * (shape.width + shape.gap)}px, ${
              Math.floor(index / shape.columns) * step
            }px)`,
            width: `${shape.width}px`,
            height: `${shape.height}px`,
          }}
        />
      ))}
    </>
  );
}

function Nothing() {
  const listed = query.value;
  if (failure.value !== null) {
    return (
      <Empty
        icon="warn"
        title={t.files.failed}
        action={<Button label={t.tryAgain} icon="retry" onClick={refresh} />}
      >
        {failure.value}
      </Empty>
    );
  }
  if (total.value !== 0 || !listed) return null;
  if (listed.search || filtersOf(listed) > 0) {
    const clear = (): void => show(listed.project, { ...EVERYTHING, deleted: listed.deleted });
    return (
      <Empty
        icon="search"
        title={t.files.noMatch}
        action={<Button label={t.files.clearFilters} onClick={clear} />}
      >
        {t.files.noMatchHow}
      </Empty>
    );
  }
  if (listed.deleted) {
    return (
      <Empty icon="trash" title={t.files.noDeleted}>
        {t.files.noDeletedHow}
      </Empty>
    );
  }
  const mayAdd = may(listed.project, "POST");
  return (
    <Empty
      icon="upload"
      title={t.files.none}
      action={
        mayAdd && (
          <Button label={t.upload.files} icon="upload" kind="primary" onClick={() => chooseFiles()} />
        )
      }
    >
      {mayAdd ? t.files.noneHow : t.files.noneReader}
    </Empty>
  );
}

/** What can be done to the chosen files. */
export function itemsFor(files: FileDoc[]): (MenuItem | null)[] {
  const [first] = files;
  if (!first) return [];
  if (query.value?.deleted) {
    return [{ label: t.details.restore, icon: "restore", run: () => void restore(files) }];
  }
  const isOne = files.length === 1;
  const items: (MenuItem | null)[] = [];
  if (isOne) {
    items.push({ label: t.details.open, icon: "open", keys: "↵", run: () => openFile(first) });
  }
  items.push({
    label: t.details.download,
    icon: "download",
    keys: "D",
    run: () => void download(files),
  });
  if (isOne) {
    items.push({
      label: t.details.copyLink,
      icon: "link",
      keys: "C",
      run: () => void copyLink(first),
    });
  }
  if (isOne && mayChange(first)) {
    items.push({
      label: t.details.rename,
      icon: "edit",
      keys: "F2",
      run: () => {
        renaming.value = first;
      },
    });
  }
  if (files.every(mayDelete)) {
    items.push(null, {
      label: t.details.delete,
      icon: "trash",
      keys: "Del",
      danger: true,
      run: () => void remove(files),
    });
  }
  return items;
}

function openMenu(at: { x: number; y: number } | HTMLElement): void {
  void allChosen().then((files) => {
    if (files.length > 0) showMenu(t.details.more, itemsFor(files), at);
  });
}

/** Keys that act on the chosen files; tells whether this was one. */
function doneByKey(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const keys: Record<string, (files: FileDoc[]) => void> = {
    Delete: (files) => {
      if (query.value?.deleted !== true && files.every(mayDelete)) void remove(files);
    },
    F2: ([first]) => {
      if (first && mayChange(first)) renaming.value = first;
    },
    d: (files) => void download(files),
    c: ([first]) => void (first && copyLink(first)),
  };
  const run = keys[event.key];
  if (!run || selection.value.chosen.size === 0) return false;
  void allChosen().then(run);
  return true;
}
