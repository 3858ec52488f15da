// The frame around all views.

import { effect } from "@preact/signals";
import { lazy } from "./lazy.tsx";
import { useEffect } from "preact/hooks";
import { isChangingPassword, renew, session, user } from "../auth.ts";
import { query, selection, show, total } from "../files.ts";
import { layout, showsDetails, toggleDetails } from "../prefs.ts";
import { byId, load, managing, projects } from "../projects.ts";
import { follow, go, place } from "../router.ts";
import { sentence } from "../api.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import { Button, Empty, MenuLayer, ToastLayer } from "../ui.tsx";
import { Browse } from "./browse.tsx";
import { Details } from "./details.tsx";
import { chooseFiles, DropLayer } from "./drop.tsx";
import { founding, NewProjectLayer } from "./new-project.tsx";
import { RenameLayer } from "./rename.tsx";
import { ShortcutsLayer, showsShortcuts } from "./shortcuts.tsx";
import { isNavigationOpen, Sidebar } from "./sidebar.tsx";
import { SignIn } from "./sign-in.tsx";
import { Toolbar } from "./toolbar.tsx";
import { Tray } from "./tray.tsx";

const Viewer = lazy(() => import("./viewer.tsx").then((module) => module.Viewer));
const Admin = lazy(() => import("../admin/admin.tsx").then((module) => module.Admin));
const ManagedProject = lazy(() => import("./project.tsx").then((module) => module.ManagedProject));
const OwnPassword = lazy(() => import("./password.tsx").then((module) => module.OwnPassword));

async function begin(): Promise<void> {
  try {
    await renew();
  } catch (error) {
    toast(sentence(error), "bad", { label: t.tryAgain, run: () => void begin() });
  }
}

// Whoever signs in or out sees other projects.
effect(() => {
  if (session.value !== null) void load();
});

effect(() => {
  const now = place.value;
  if (now.view === "project" && session.value !== null) show(now.project);
});

// With one project, that is the one; with several, the one that was open last.
effect(() => {
  const all = projects.value;
  if (place.value.view !== "home" || !all || !user.value) return;
  let last: string | null = null;
  try {
    last = localStorage.getItem("cella.project");
  } catch {
    // A browser that keeps nothing shows the choice.
  }
  const pick = all.find((each) => each._id === last) ?? (all.length === 1 ? all[0] : undefined);
  if (pick) go(`/p/${pick._id}`, { replace: true });
});

effect(() => {
  const now = place.value;
  if (now.view !== "project") return;
  try {
    localStorage.setItem("cella.project", now.project);
  } catch {
    // See above.
  }
});

effect(() => {
  const now = place.value;
  const name = now.view === "project" ? byId.value.get(now.project)?.name : undefined;
  const parts: Partial<Record<typeof now.view, string>> = {
    admin: t.admin.title,
    "sign-in": t.signIn.title,
  };
  const first = name ?? parts[now.view];
  if (now.view !== "file") document.title = first ? `${first} – ${t.name}` : t.name;
});

export function App() {
  useEffect(() => {
    document.addEventListener("click", follow);
    addEventListener("keydown", shortcut);
    void begin();
  }, []);
  const now = place.value;
  if (session.value === null) {
    return (
      <>
        <div class="starting" role="status" aria-label={t.loading} />
        <ToastLayer />
      </>
    );
  }
  const wantsSignIn = now.view === "sign-in" || (now.view !== "project" && now.view !== "file");
  if (!user.value && wantsSignIn) {
    return (
      <>
        <SignIn />
        <ToastLayer />
      </>
    );
  }
  const isViewing = now.view === "file";
  return (
    <>
      <a class="skip" href="#files" onClick={() => document.getElementById("files")?.focus()}>
        {t.skip}
      </a>
      <div class="shell" inert={isViewing} data-hidden={isViewing}>
        <Sidebar />
        {now.view === "admin" ? <Admin /> : <Files />}
      </div>
      {isViewing && <Viewer key="viewer" />}
      {!isViewing && <Tray />}
      <DropLayer />
      <RenameLayer />
      <NewProjectLayer />
      {managing.value !== null && <ManagedProject />}
      {isChangingPassword.value && <OwnPassword />}
      <ShortcutsLayer />
      <MenuLayer />
      <ToastLayer />
    </>
  );
}

function Files() {
  const listed = query.value;
  if (!listed) return <Pick />;
  return (
    <main class="main">
      <Toolbar />
      <div class="work">
        <Browse />
        {showsDetails.value && <Details />}
      </div>
      <div class="visually-hidden" role="status">
        {total.value === null ? "" : t.files.count(total.value)}
        {selection.value.chosen.size > 1 ? `, ${t.files.chosen(selection.value.chosen.size)}` : ""}
      </div>
    </main>
  );
}

function Pick() {
  const all = projects.value;
  const mayFound = user.value !== null;
  return (
    <main class="main">
      <div class="narrow-head">
        <Button
          label={t.projects.open}
          icon="menu"
          iconOnly
          kind="quiet"
          onClick={() => {
            isNavigationOpen.value = true;
          }}
        />
      </div>
      {all !== null && (
        <Empty
          icon="folder"
          title={all.length ? t.projects.pick : t.projects.none}
          action={
            mayFound && (
              <Button
                label={t.projects.create}
                icon="plus"
                kind={all.length ? "plain" : "primary"}
                onClick={() => {
                  founding.value = true;
                }}
              />
            )
          }
        >
          {all.length ? t.projects.pickHow : t.projects.noneHow}
        </Empty>
      )}
    </main>
  );
}

function shortcut(event: KeyboardEvent): void {
  const isTyping = (event.target as Element | null)?.closest("input, textarea, select, dialog");
  if (event.defaultPrevented || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const view = place.value.view;
  if (event.key === "?") {
    showsShortcuts.value = true;
  } else if (view === "file" || view === "admin") {
    return;
  } else if (event.key === "/") {
    document.getElementById("search")?.focus();
  } else if (event.key === "u") {
    chooseFiles();
  } else if (event.key === "g" || event.key === "l") {
    layout.value = event.key === "g" ? "grid" : "list";
  } else if (event.key === "i") {
    toggleDetails();
  } else {
    return;
  }
  event.preventDefault();
}
