// A sound with its waveform.

import { useEffect, useRef, useState } from "preact/hooks";
import { clock } from "../format.ts";
import { t } from "../texts.ts";
import type { FileDoc } from "../types.ts";
import { Button } from "../ui.tsx";

/** As audiowaveform writes it: pairs of the least and the greatest sample, for each channel. */
interface Peaks {
  channels: number;
  bits: number;
  data: number[];
}

const BAR = 3;

export function Sound({ file }: { file: FileDoc }) {
  const audio = useRef<HTMLAudioElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [peaks, setPeaks] = useState<Peaks | null>(null);
  const [at, setAt] = useState(0);
  const [isPlaying, setIsPlaying] = useState(false);
  const [cannotPlay, setCannotPlay] = useState(false);
  const [width, setWidth] = useState(0);
  const whole = file.media?.seconds ?? file.duration ?? 0;
  const link = file.variations?.find((each) => each.size === "peaks")?.link;

  useEffect(() => {
    const controller = new AbortController();
    if (link) {
      fetch(link, { signal: controller.signal })
        .then((answer) => answer.json())
        .then((found) => setPeaks(found as Peaks))
        .catch(() => undefined);
    }
    return () => controller.abort();
  }, [link]);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current && peaks) draw(canvas.current, peaks, whole ? at / whole : 0);
  }, [peaks, at, width]);
  // Events come four times a second, which looks like stuttering.
  useEffect(() => {
    if (!isPlaying) return;
    let frame = 0;
    const tick = (): void => {
      setAt(audio.current?.currentTime ?? 0);
      frame = requestAnimationFrame(tick);
    };
    tick();
    return () => cancelAnimationFrame(frame);
  }, [isPlaying]);

  const seek = (to: number): void => {
    if (audio.current) audio.current.currentTime = to;
    setAt(to);
  };
  const toggle = (): void => {
    if (!audio.current) return;
    if (audio.current.paused) void audio.current.play().catch(() => setCannotPlay(true));
    else audio.current.pause();
  };
  useEffect(() => {
    const hear = (event: KeyboardEvent): void => {
      const isElsewhere = (event.target as Element | null)?.closest("button, input, textarea");
      if (event.key !== " " || isElsewhere) return;
      event.preventDefault();
      toggle();
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  });
  return (
    <div class="sound">
      <audio
        ref={audio}
        src={file.link}
        preload="metadata"
        onPlay={() => setIsPlaying(true)}
        onPause={() => setIsPlaying(false)}
        onEnded={() => setIsPlaying(false)}
        onError={() => setCannotPlay(true)}
      />
      <div class="waveform">
        <canvas ref={canvas} aria-hidden="true" />
        <input
          type="range"
          min={0}
          max={whole}
          step={0.01}
          value={at}
          aria-label={t.viewer.seek}
          aria-valuetext={t.viewer.at(clock(at), clock(whole))}
          onInput={(event) => seek(Number(event.currentTarget.value))}
        />
      </div>
      <div class="controls">
        <Button
          label={isPlaying ? t.viewer.pause : t.viewer.play}
          icon={isPlaying ? "pause" : "play"}
          iconOnly
          kind="quiet"
          disabled={cannotPlay}
          onClick={toggle}
        />
        <span class="time">
          {clock(at)} / {clock(whole)}
        </span>
        {cannotPlay && <span class="hint">{t.viewer.cannotPlay}</span>}
      </div>
    </div>
  );
}

function draw(canvas: HTMLCanvasElement, peaks: Peaks, played: number): void {
  const ratio = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const paper = canvas.getContext("2d");
  if (!paper) return;
  paper.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const [ahead, behind] = [style.color, style.accentColor];
  const full = 2 ** (peaks.bits - 1);
  const pairs = Math.floor(peaks.data.length / (2 * peaks.channels));
  const bars = Math.max(1, Math.floor(width / BAR));
  for (let bar = 0; bar < bars; bar += 1) {
    const from = Math.floor((bar * pairs) / bars);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * pairs) / bars));
    let [low, high] = [0, 0];
    for (let at = from * peaks.channels * 2; at < to * peaks.channels * 2; at += 2) {
      low = Math.min(low, peaks.data[at] ?? 0);
      high = Math.max(high, peaks.data[at + 1] ?? 0);
    }
    const top = (1 - high / full) * (height / 2);
    const tall = Math.max(2, ((high - low) / full) * (height / 2));
    paper.fillStyle = bar / bars < played ? behind : ahead;
    paper.fillRect(bar * BAR, top, BAR - 1, tall);
  }
}
