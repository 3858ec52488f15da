// The projects, the administration, and whose page this is.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { sentence } from "../api.ts";
import { isAdmin, isChangingPassword, session, signOut, user } from "../auth.ts";
import { query, show } from "../files.ts";
import { Icon, type IconName } from "../icons.tsx";
import { type Theme, theme } from "../prefs.ts";
import { failure, load, may, projects } from "../projects.ts";
import { go, place } from "../router.ts";
import { t } from "../texts.ts";
import { toast } from "../toasts.ts";
import { Button, type MenuItem, showMenu } from "../ui.tsx";
import { founding } from "./new-project.tsx";
import { showsShortcuts } from "./shortcuts.tsx";

export const isNavigationOpen = signal(false);

const MANY = 8;
const ADMIN: [string, IconName][] = [
  ["overview", "gauge"],
  ["projects", "folder"],
  ["users", "users"],
  ["jobs", "jobs"],
];

export function Sidebar() {
  const [wanted, setWanted] = useState("");
  const all = projects.value;
  const shown = all?.filter((each) => each.name.toLowerCase().includes(wanted.toLowerCase()));
  const now = place.value;
  const listed = query.value;
  const close = (): void => {
    isNavigationOpen.value = false;
  };
  return (
    <>
      {isNavigationOpen.value && <div class="shade" onClick={close} />}
      <nav
        class={`sidebar ${isNavigationOpen.value ? "open" : ""}`}
        aria-label={t.projects.title}
        onKeyDown={(event) => {
          if (event.key === "Escape") close();
        }}
        onClick={(event) => {
          if ((event.target as Element).closest("a")) close();
        }}
      >
        <a class="brand" href="/">
          <Logo />
          <span>{t.name}</span>
        </a>
        <div class="sidebar-scroll">
          <div class="sidebar-title">
            <h2>{t.projects.title}</h2>
            {user.value && (
              <Button
                label={t.projects.create}
                icon="plus"
                iconOnly
                kind="quiet"
                onClick={() => {
                  founding.value = true;
                }}
              />
            )}
          </div>
          {all && all.length > MANY && (
            <input
              type="search"
              class="small"
              placeholder={t.projects.search}
              aria-label={t.projects.search}
              value={wanted}
              onInput={(event) => setWanted(event.currentTarget.value)}
            />
          )}
          {failure.value && (
            <p class="problem">
              {failure.value}{" "}
              <button type="button" class="link" onClick={() => void load()}>
                {t.tryAgain}
              </button>
            </p>
          )}
          <ul>
            {all === null &&
              [0, 1, 2].map((each) => <li key={each} class="skeleton line" aria-hidden="true" />)}
            {shown?.map((each) => {
              const isOpen = now.view === "project" && now.project === each._id;
              return (
                <li key={each._id}>
                  <a
                    href={`/p/${each._id}`}
                    aria-current={isOpen && !listed?.deleted ? "page" : undefined}
                    onClick={() => show(each._id, { deleted: false })}
                  >
                    <Icon name={each.is_private ? "lock" : "folder"} size={16} />
                    <span>{each.name}</span>
                    {each.is_private && <span class="visually-hidden">{t.projects.private}</span>}
                  </a>
                  {isOpen && may(each._id, "DELETE") && (
                    <button
                      type="button"
                      class="sub"
                      aria-current={listed?.deleted ? "page" : undefined}
                      onClick={() => {
                        show(each._id, { deleted: !listed?.deleted });
                        close();
                      }}
                    >
                      <Icon name="trash" size={15} />
                      <span>{t.files.deleted}</span>
                    </button>
                  )}
                </li>
              );
            })}
          </ul>
          {isAdmin.value && (
            <>
              <div class="sidebar-title">
                <h2>{t.admin.title}</h2>
              </div>
              <ul>
                {ADMIN.map(([part, icon]) => (
                  <li key={part}>
                    <a
                      href={part === "overview" ? "/admin" : `/admin/${part}`}
                      aria-current={
                        now.view === "admin" && now.part === part ? "page" : undefined
                      }
                    >
                      <Icon name={icon} size={16} />
                      <span>{t.admin.parts[part as keyof typeof t.admin.parts]}</span>
                    </a>
                  </li>
                ))}
              </ul>
            </>
          )}
        </div>
        <div class="sidebar-foot">
          <Account />
          <Button
            label={t.theme.title}
            icon={theme.value === "light" ? "sun" : "moon"}
            iconOnly
            kind="quiet"
            expanded={false}
            onClick={(event) => chooseTheme(event.currentTarget)}
          />
          <Button
            label={t.keys.title}
            icon="keyboard"
            iconOnly
            kind="quiet"
            keys="?"
            onClick={() => {
              showsShortcuts.value = true;
            }}
          />
        </div>
      </nav>
    </>
  );
}

function Account() {
  const me = user.value;
  if (!me) {
    return (
      <a class="button primary" href="/sign-in">
        {t.signIn.title}
      </a>
    );
  }
  const name = me.full_name || me.username || "";
  const hasPassword = session.value?.has_password === true;
  const password: MenuItem = {
    label: hasPassword ? t.password.change : t.password.set,
    icon: "lock",
    run: () => {
      isChangingPassword.value = true;
    },
  };
  return (
    <button
      type="button"
      class="account"
      aria-haspopup="menu"
      onClick={(event) =>
        showMenu(
          name,
          [
            // Others have their first one from an administrator.
            ...(hasPassword || isAdmin.value ? [password, null] : []),
            { label: t.signIn.out, icon: "out", run: () => void leave(false) },
            { label: t.signIn.everywhere, icon: "key", run: () => void leave(true) },
          ],
          event.currentTarget,
        )
      }
    >
      <span class="avatar" data-initial={name.slice(0, 1).toUpperCase()} />
      <span class="visually-hidden">{t.signIn.account}</span>
      <span class="account-name">{name}</span>
    </button>
  );
}

async function leave(everywhere: boolean): Promise<void> {
  try {
    await signOut(everywhere);
    go("/");
    toast(t.signIn.signedOut);
  } catch (error) {
    toast(sentence(error), "bad");
  }
}

export function chooseTheme(at: HTMLElement): void {
  const all: Theme[] = ["system", "light", "dark"];
  showMenu(
    t.theme.title,
    all.map((each) => ({
      label: t.theme[each],
      icon: each === "light" ? "sun" : each === "dark" ? "moon" : "settings",
      checked: theme.value === each,
      run: () => {
        theme.value = each;
      },
    })),
    at,
  );
}

export function Logo({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect class="logo-ground" width="32" height="32" rx="7" />
      <path
        d="M21.5 12.2A7 7 0 1 0 21.5 19.8"
        fill="none"
        stroke="#fff"
        stroke-width="3.4"
        stroke-linecap="round"
      />
      <circle cx="22.6" cy="16" r="2.1" fill="#ffc46b" />
    </svg>
  );
}
