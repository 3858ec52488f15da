// A film: played, scrubbed through, and stepped frame by frame at its true rate.

import type { TargetedPointerEvent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { clock, left } from "../format.ts";
import { frameAt, middleOf, rateOf, spoken, timecode } from "../frames.ts";
import { isWorkedOn } from "../live.ts";
import { type Cue, cueAt, cuesOf } from "../sprites.ts";
import { t } from "../texts.ts";
import type { FileDoc, Variation } from "../types.ts";
import { Button, Progress, showMenu } from "../ui.tsx";
import { Picture } from "./picture.tsx";

const SPEEDS = [0.25, 0.5, 1, 1.5, 2];

function variation(file: FileDoc, size: string): Variation | undefined {
  return file.variations?.find((each) => each.size === size && each.link);
}

/** The largest MP4 of a film. */
function mp4Of(file: FileDoc): string | undefined {
  const all = (file.variations ?? []).filter((each) => each.format === "mp4" && each.link);
  all.sort((a, b) => (b.width ?? 0) - (a.width ?? 0));
  return all[0]?.link;
}

export function Film({ file }: { file: FileDoc }) {
  const stream = variation(file, "hls")?.link;
  const mp4 = mp4Of(file);
  if (stream || mp4) return <Player file={file} stream={stream} mp4={mp4} />;
  return (
    <>
      <Picture file={file} />
      {isWorkedOn(file) && (
        <div class="pill making" role="status">
          <span>{t.viewer.notYet}</span>
          <Progress value={file.processing?.progress ?? null} label={t.viewer.notYet} />
          {file.processing?.seconds_left !== undefined && (
            <small>{t.timeLeft(left(file.processing.seconds_left))}</small>
          )}
        </div>
      )}
    </>
  );
}

interface Source {
  file: FileDoc;
  stream: string | undefined;
  mp4: string | undefined;
}

/** Give a video element its film: the stream where that can be played, else the MP4. */
function useSource(
  video: { current: HTMLVideoElement | null },
  { file, stream, mp4 }: Source,
  fail: () => void,
): void {
  useEffect(() => {
    const element = video.current;
    if (!element) return;
    let isOver = false;
    let stop = (): void => undefined;
    const plain = (): void => {
      if (isOver) return;
      if (mp4) element.src = mp4;
      else fail();
    };
    element.onerror = () => {
      if (element.src && element.src !== mp4) plain();
      else fail();
    };
    if (stream) {
      void import("./stream.ts").then(({ attach }) => {
        if (isOver) return;
        const detach = attach(element, stream, plain);
        if (detach) stop = detach;
        else if (element.canPlayType("application/vnd.apple.mpegurl")) element.src = stream;
        else plain();
      }, plain);
    } else {
      plain();
    }
    return () => {
      isOver = true;
      stop();
      element.onerror = null;
      element.removeAttribute("src");
      element.load();
    };
  }, [file._id]);
}

function Player({ file, stream, mp4 }: Source) {
  const video = useRef<HTMLVideoElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState(0);
  // Streams begin a few frames late where frames are stored in another order than they are shown in.
  const [begin, setBegin] = useState(0);
  const at = Math.max(0, shown - begin);
  const [length, setLength] = useState(file.media?.seconds ?? file.duration ?? 0);
  const [isPlaying, setIsPlaying] = useState(false);
  const [isMuted, setIsMuted] = useState(false);
  const [loops, setLoops] = useState(false);
  const [speed, setSpeed] = useState(1);
  const [hasFailed, setHasFailed] = useState(false);
  const cues = useCues(variation(file, "sprites")?.link);
  const [hover, setHover] = useState<{ x: number; cue: Cue; time: number } | null>(null);
  const rate = rateOf(file.media?.frame_rate);
  const frame = rate ? frameAt(at, rate) : 0;
  const last = rate ? (file.media?.frames ?? frameAt(length, rate)) - 1 : 0;

  useSource(video, { file, stream, mp4 }, () => setHasFailed(true));

  // The moment of the frame that is on the screen, which is what its number is worked out from.
  useEffect(() => {
    const element = video.current;
    if (!element || !("requestVideoFrameCallback" in element)) return;
    let handle = 0;
    const seen = (_: number, { mediaTime }: VideoFrameCallbackMetadata): void => {
      setShown(mediaTime);
      handle = element.requestVideoFrameCallback(seen);
    };
    handle = element.requestVideoFrameCallback(seen);
    return () => element.cancelVideoFrameCallback(handle);
  }, []);

  const toggle = (): void => {
    const element = video.current;
    if (!element) return;
    if (element.paused) void element.play().catch(() => undefined);
    else element.pause();
  };
  // Where steps have led, which is known before it is shown.
  const stepped = useRef<number | null>(null);
  const seek = (to: number): void => {
    stepped.current = null;
    if (!video.current) return;
    video.current.currentTime = Math.max(0, Math.min(to, length)) + begin;
  };
  const step = (by: number): void => {
    const element = video.current;
    if (!element) return;
    element.pause();
    if (!rate) {
      seek(element.currentTime - begin + by / 25);
      return;
    }
    const to = Math.max(0, Math.min(last, (stepped.current ?? frame) + by));
    seek(middleOf(to, rate));
    stepped.current = to;
  };
  const second = rate ? Math.round(rate.over / rate.under) : 25;
  const fullscreen = (): void => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void stage.current?.requestFullscreen().catch(() => undefined);
  };
  const mute = (): void => {
    if (video.current) video.current.muted = !isMuted;
  };

  useEffect(() => {
    const hear = (event: KeyboardEvent): void => {
      const target = event.target as Element | null;
      if (target?.closest("textarea, dialog, .menu") || event.ctrlKey || event.metaKey) return;
      if (event.key === " " && target?.closest("button, a")) return;
      const keys: Record<string, () => void> = {
        " ": toggle,
        k: toggle,
        ArrowLeft: () => step(event.shiftKey ? -second : -1),
        ArrowRight: () => step(event.shiftKey ? second : 1),
        ",": () => step(-1),
        ".": () => step(1),
        Home: () => seek(0),
        End: () => seek(rate ? middleOf(last, rate) : length),
        m: mute,
        f: fullscreen,
      };
      const run = keys[event.key];
      if (!run) return;
      event.preventDefault();
      run();
    };
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  });

  const point = (event: TargetedPointerEvent<HTMLInputElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const x = Math.max(0, Math.min(event.clientX - box.left, box.width));
    const time = (x / box.width) * length;
    const cue = cueAt(cues, time);
    setHover(cue && { x, cue, time });
  };

  return (
    <div class="player" ref={stage}>
      <video
        ref={video}
        poster={variation(file, "poster")?.link ?? variation(file, "l")?.link}
        playsInline
        preload="auto"
        crossOrigin="anonymous"
        loop={loops}
        aria-label={file.filename}
        onClick={toggle}
        onPlay={() => {
          stepped.current = null;
          setIsPlaying(true);
        }}
        onPause={() => setIsPlaying(false)}
        onVolumeChange={(event) => setIsMuted(event.currentTarget.muted)}
        onLoadedData={({ currentTarget: { buffered, duration } }) => {
          const first = buffered.length > 0 ? buffered.start(0) : 0;
          setBegin(first);
          setLength(duration - first);
        }}
        onTimeUpdate={({ currentTarget }) => {
          if ("requestVideoFrameCallback" in currentTarget) return;
          setShown((currentTarget as HTMLVideoElement).currentTime);
        }}
        onSeeked={({ currentTarget }) => setShown(currentTarget.currentTime)}
      />
      {hasFailed && <p class="pill">{t.viewer.cannotPlay}</p>}
      <div class="controls">
        <div class="scrub">
          {hover && <Sprite {...hover} />}
          <input
            type="range"
            min={0}
            max={length || 1}
            step="any"
            value={at}
            style={{ "--done": `${length ? (100 * at) / length : 0}%` }}
            aria-label={t.viewer.seek}
            aria-valuetext={t.viewer.at(clock(at), clock(length))}
            onInput={(event) => seek(Number(event.currentTarget.value))}
            onPointerMove={point}
            onPointerLeave={() => setHover(null)}
          />
        </div>
        <Button
          label={isPlaying ? t.viewer.pause : t.viewer.play}
          icon={isPlaying ? "pause" : "play"}
          iconOnly
          kind="quiet"
          keys="Space"
          onClick={toggle}
        />
        <Button
          label={t.viewer.back}
          icon="stepBack"
          iconOnly
          kind="quiet"
          keys="←"
          onClick={() => step(-1)}
        />
        <Button
          label={t.viewer.forward}
          icon="stepOn"
          iconOnly
          kind="quiet"
          keys="→"
          onClick={() => step(1)}
        />
        <span class="time">
          {clock(at)} <i>/ {clock(length)}</i>
        </span>
        {rate && (
          <span class="frame" title={`${spoken(rate)} fps`}>
            <i>{t.viewer.frame}</i> <output>{frame}</output>
            <i class="only-wide">{timecode(frame, rate)}</i>
          </span>
        )}
        <span class="spacer" />
        <Button
          label={`${t.viewer.speed}: ${speed}×`}
          icon="gauge"
          iconOnly
          kind="quiet"
          expanded={false}
          onClick={(event) =>
            showMenu(
              t.viewer.speed,
              SPEEDS.map((each) => ({
                label: `${each}×`,
                checked: each === speed,
                run: () => {
                  setSpeed(each);
                  if (video.current) video.current.playbackRate = each;
                },
              })),
              event.currentTarget,
            )
          }
        />
        <Button
          label={t.viewer.loop}
          icon="loop"
          iconOnly
          kind="quiet"
          pressed={loops}
          onClick={() => setLoops(!loops)}
        />
        {file.media?.audio_tracks !== 0 && (
          <Button
            label={isMuted ? t.viewer.unmute : t.viewer.mute}
            icon={isMuted ? "muted" : "sound"}
            iconOnly
            kind="quiet"
            keys="M"
            onClick={mute}
          />
        )}
        <Button
          label={t.viewer.fullscreen}
          icon="full"
          iconOnly
          kind="quiet"
          keys="F"
          onClick={fullscreen}
        />
      </div>
    </div>
  );
}

function Sprite({ x, cue, time }: { x: number; cue: Cue; time: number }) {
  return (
    <div class="sprite" style={{ left: `${x}px` }} aria-hidden="true">
      <div
        style={{
          width: `${cue.width}px`,
          height: `${cue.height}px`,
          backgroundImage: `url("${cue.sheet}")`,
          backgroundPosition: `-${cue.x}px -${cue.y}px`,
        }}
      />
      <span>{clock(time)}</span>
    </div>
  );
}

function useCues(link: string | undefined): Cue[] {
  const [cues, setCues] = useState<Cue[]>([]);
  useEffect(() => {
    const controller = new AbortController();
    if (link) {
      fetch(link, { signal: controller.signal })
        .then((answer) => (answer.ok ? answer.text() : ""))
        .then((text) => setCues(cuesOf(text, link)))
        .catch(() => undefined);
    }
    return () => controller.abort();
  }, [link]);
  return cues;
}
