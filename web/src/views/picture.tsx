// A picture that can be zoomed into and moved, by wheel, fingers, mouse and keys.

import type { TargetedPointerEvent } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../texts.ts";
import type { FileDoc } from "../types.ts";
import { Button } from "../ui.tsx";
import { type Box, fitting, held, type View, zoomed } from "../zoom.ts";

const SHOWABLE = /^image\/(jpeg|png|webp|gif|avif)$/;
const LARGE = 60_000_000;
const STEP = 1.4;

/** The preview of this size or the next smaller one. */
function preview(file: FileDoc, sizes: string): string | undefined {
  for (const size of sizes) {
    const found = file.variations?.find((each) => each.size === size && each.link);
    if (found) return found.link;
  }
  return undefined;
}

export function Picture({ file }: { file: FileDoc }) {
  const frame = useRef<HTMLDivElement>(null);
  const [box, setBox] = useState<Box>({ width: 0, height: 0 });
  const picture = { width: file.width || 1024, height: file.height || 1024 };
  const least = box.width ? fitting(picture, box) : 1;
  const [view, setView] = useState<View | null>(null);
  const [isSharp, setIsSharp] = useState(false);
  const shown = view ?? { scale: least, x: 0, y: 0 };
  const pointers = useRef(new Map<number, { x: number; y: number }>());

  const mayShowOriginal = SHOWABLE.test(file.content_type) && file.length < LARGE && !!file.link;
  const large = preview(file, "hlmt");
  const wantsOriginal =
    mayShowOriginal &&
    (file.content_type === "image/gif" ||
      !large ||
      shown.scale * Math.max(picture.width, picture.height) * devicePixelRatio > 2200);
  const source = wantsOriginal ? file.link : large;

  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return;
    const observer = new ResizeObserver(() =>
      setBox({ width: element.clientWidth, height: element.clientHeight }),
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const set = (next: View): void => {
    setView(next.scale <= least * 1.001 ? null : held(next, picture, box));
  };
  const zoom = (scale: number, x = 0, y = 0): void => set(zoomed(shown, scale, x, y, least));
  const fromMiddle = (event: { clientX: number; clientY: number }): { x: number; y: number } => {
    const at = frame.current?.getBoundingClientRect();
    return {
      x: event.clientX - (at?.left ?? 0) - box.width / 2,
      y: event.clientY - (at?.top ?? 0) - box.height / 2,
    };
  };

  // A wheel handler that prevents scrolling has to be registered as one that may.
  const onWheel = useRef<(event: WheelEvent) => void>(() => undefined);
  onWheel.current = (event) => {
    event.preventDefault();
    const { x, y } = fromMiddle(event);
    zoom(shown.scale * Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), x, y);
  };
  useEffect(() => {
    const element = frame.current;
    const hear = (event: WheelEvent): void => onWheel.current(event);
    element?.addEventListener("wheel", hear, { passive: false });
    return () => element?.removeEventListener("wheel", hear);
  }, []);

  useEffect(() => {
    const hear = (event: KeyboardEvent): void => {
      if ((event.target as Element | null)?.closest("input, textarea, dialog")) return;
      const keys: Record<string, () => void> = {
        "+": () => zoom(shown.scale * STEP),
        "=": () => zoom(shown.scale * STEP),
        "-": () => zoom(shown.scale / STEP),
        "0": () => setView(null),
        "1": () => zoom(1),
      };
      if (!event.ctrlKey && !event.metaKey) keys[event.key]?.();
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  });

  const onPointerMove = (event: TargetedPointerEvent<HTMLDivElement>): void => {
    const before = pointers.current.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
    pointers.current.set(event.pointerId, now);
    if (other) {
      const apart = (a: { x: number; y: number }): number => Math.hypot(a.x - other.x, a.y - other.y);
      const middle = fromMiddle({ clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 });
      zoom((shown.scale * apart(now)) / Math.max(1, apart(before)), middle.x, middle.y);
    } else {
      set({ ...shown, x: shown.x + now.x - before.x, y: shown.y + now.y - before.y });
    }
  };
  const letGo = (event: TargetedPointerEvent<HTMLDivElement>): void => {
    pointers.current.delete(event.pointerId);
  };

  const style = {
    width: `${picture.width}px`,
    height: `${picture.height}px`,
    transform: `translate(-50%, -50%) translate(${shown.x}px, ${shown.y}px) scale(${shown.scale})`,
  };
  return (
    <>
      <div
        ref={frame}
        class={`picture ${view ? "zoomed" : ""}`}
        onPointerDown={(event) => {
          if ((event.target as Element).closest("button")) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
        }}
        onPointerMove={onPointerMove}
        onPointerUp={letGo}
        onPointerCancel={letGo}
        onDblClick={(event) => {
          const { x, y } = fromMiddle(event);
          if (view) setView(null);
          else zoom(Math.max(1, least * 2), x, y);
        }}
      >
        {box.width > 0 && (
          <>
            {!isSharp && <img class="blurred" src={preview(file, "mtbs")} alt="" style={style} />}
            <img
              key={source}
              src={source}
              alt={file.description || file.filename}
              draggable={false}
              decoding="async"
              style={style}
              class={shown.scale >= 3 ? "pixels" : ""}
              onLoad={() => setIsSharp(true)}
            />
          </>
        )}
      </div>
      <div class="pill" role="group" aria-label={t.viewer.zoom(Math.round(shown.scale * 100))}>
        <Button
          label={t.viewer.zoomOut}
          icon="zoomOut"
          iconOnly
          kind="quiet"
          keys="-"
          onClick={() => zoom(shown.scale / STEP)}
        />
        <output>{t.viewer.zoom(Math.round(shown.scale * 100))}</output>
        <Button
          label={t.viewer.zoomIn}
          icon="zoomIn"
          iconOnly
          kind="quiet"
          keys="+"
          onClick={() => zoom(shown.scale * STEP)}
        />
        <Button label={t.viewer.fit} kind="quiet" onClick={() => setView(null)} />
        <Button label="1:1" kind="quiet" onClick={() => zoom(1)} />
      </div>
    </>
  );
}
