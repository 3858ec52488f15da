// Asking the server for what a view shows.

import { useCallback, useEffect, useState } from "preact/hooks";
import { sentence, wasAborted } from "./api.ts";

export interface Asked<T> {
  found: T | null;
  problem: string;
  again: () => void;
}

/** Ask when the view appears, when `on` changes, and again every `seconds` while it is looked at. */
export function useAsked<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  on: unknown[],
  seconds = 0,
): Asked<T> {
  const [found, setFound] = useState<T | null>(null);
  const [problem, setProblem] = useState("");
  const [times, setTimes] = useState(0);
  const again = useCallback(() => setTimes((before) => before + 1), []);
  useEffect(() => {
    const controller = new AbortController();
    ask(controller.signal).then(
      (answer) => {
        setFound(answer);
        setProblem("");
      },
      (error: unknown) => {
        if (!wasAborted(error)) setProblem(sentence(error));
      },
    );
    return () => controller.abort();
  }, [...on, times]);
  useEffect(() => {
    if (seconds === 0) return;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") again();
    }, seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return { found, problem, again };
}
