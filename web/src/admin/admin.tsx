// The administration: one view for each part.

import type { ComponentChildren } from "preact";
import { isAdmin } from "../auth.ts";
import { place } from "../router.ts";
import { t } from "../texts.ts";
import { Button, Empty } from "../ui.tsx";
import { isNavigationOpen } from "../views/sidebar.tsx";
import { Jobs } from "./jobs.tsx";
import { Overview } from "./overview.tsx";
import { AllProjects } from "./projects.tsx";
import { Users } from "./users.tsx";

const PARTS = { overview: Overview, projects: AllProjects, users: Users, jobs: Jobs };

export function Admin() {
  const now = place.value;
  const part = now.view === "admin" && now.part in PARTS ? (now.part as keyof typeof PARTS) : null;
  if (!isAdmin.value || part === null) {
    return (
      <main class="main">
        <Empty icon="lock" title={t.admin.none} />
      </main>
    );
  }
  const Part = PARTS[part];
  return (
    <main class="main">
      <div class="admin" id="files" tabIndex={-1}>
        <Part />
      </div>
    </main>
  );
}

/** The head of a part, with what can be done there. */
export function Head(props: { title: string; children?: ComponentChildren }) {
  return (
    <header>
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
      <h1>{props.title}</h1>
      {props.children}
    </header>
  );
}
