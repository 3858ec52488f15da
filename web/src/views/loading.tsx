// Where a list will be.

import { t } from "../texts.ts";

export function Loading() {
  return (
    <div aria-label={t.loading} role="status">
      {[0, 1, 2].map((each) => (
        <div key={each} class="skeleton line" />
      ))}
    </div>
  );
}
