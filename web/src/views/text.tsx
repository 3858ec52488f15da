// Text, shown as text whatever it says.

import { useEffect, useState } from "preact/hooks";
import { sentence, wasAborted } from "../api.ts";
import { bytes } from "../format.ts";
import { t } from "../texts.ts";
import type { FileDoc } from "../types.ts";

const SHOWN = 400_000;

export function TextFile({ file }: { file: FileDoc }) {
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const controller = new AbortController();
    const headers = file.length > SHOWN ? { Range: `bytes=0-${SHOWN - 1}` } : undefined;
    fetch(file.link ?? "", { signal: controller.signal, ...(headers && { headers }) })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.statusText))))
      .then(setText, (error: unknown) => {
        if (!wasAborted(error)) setProblem(sentence(error));
      });
    return () => controller.abort();
  }, [file._id, file.link]);
  if (problem) return <p class="problem">{problem}</p>;
  return (
    <div class="text" tabIndex={0} role="region" aria-label={file.filename}>
      <pre>{text ?? t.loading}</pre>
      {file.length > SHOWN && <p class="hint">{t.viewer.cut(bytes(SHOWN))}</p>}
    </div>
  );
}
