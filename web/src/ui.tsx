// What all views are made of: buttons, dialogs, menus, messages.

import { signal } from "@preact/signals";
import type { ComponentChildren, TargetedKeyboardEvent, TargetedMouseEvent } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icons.tsx";
import { dismiss, pause, resume, toasts } from "./toasts.ts";
import { t } from "./texts.ts";

interface ButtonProps {
  label: string;
  icon?: IconName;
  onClick?: (event: TargetedMouseEvent<HTMLButtonElement>) => void;
  kind?: "plain" | "primary" | "danger" | "quiet";
  iconOnly?: boolean;
  pressed?: boolean;
  disabled?: boolean;
  type?: "button" | "submit";
  expanded?: boolean;
  keys?: string;
  class?: string;
}

export function Button(props: ButtonProps) {
  const { label, icon, onClick, kind = "plain", iconOnly = false, type = "button" } = props;
  return (
    <button
      type={type}
      class={`button ${kind} ${iconOnly ? "icon-only" : ""} ${props.class ?? ""}`}
      aria-label={iconOnly ? label : undefined}
      title={iconOnly ? label + (props.keys ? ` (${props.keys})` : "") : undefined}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      aria-haspopup={props.expanded === undefined ? undefined : "menu"}
      disabled={props.disabled}
      {...(onClick && { onClick })}
    >
      {icon && <Icon name={icon} />}
      {!iconOnly && <span>{label}</span>}
    </button>
  );
}

export function Empty(props: {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
  action?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <Icon name={props.icon} size={40} />
      <h2>{props.title}</h2>
      {props.children && <p>{props.children}</p>}
      {props.action}
    </div>
  );
}

/** A dialog of the browser's own: it holds the focus, Esc closes it, the rest is inert. */
export function Dialog(props: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.showModal();
    return () => before?.focus();
  }, []);
  return (
    <dialog
      ref={element}
      class={props.wide ? "wide" : ""}
      aria-labelledby={id}
      onClose={props.onClose}
      onClick={(event) => {
        if (event.target === element.current) element.current?.close();
      }}
    >
      <div class="dialog">
        <header>
          <h2 id={id}>{props.title}</h2>
          <Button
            label={t.close}
            icon="close"
            iconOnly
            kind="quiet"
            onClick={() => element.current?.close()}
          />
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

export function Field(props: {
  label: string;
  hint?: string;
  children: (id: string) => ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children(id)}
      {props.hint && <small id={`${id}-hint`}>{props.hint}</small>}
    </div>
  );
}

export interface MenuItem {
  label: string;
  icon?: IconName;
  keys?: string;
  danger?: boolean;
  checked?: boolean;
  run: () => void;
}

interface OpenMenu {
  label: string;
  items: (MenuItem | null)[];
  x: number;
  y: number;
  atRight: boolean;
  opener: HTMLElement | null;
}

const open = signal<OpenMenu | null>(null);

/** Open a menu at a point, or below the button that was pressed; null makes a rule. */
export function showMenu(
  label: string,
  items: (MenuItem | null)[],
  at: { x: number; y: number } | HTMLElement,
): void {
  const opener = document.activeElement as HTMLElement | null;
  if (at instanceof HTMLElement) {
    const box = at.getBoundingClientRect();
    const atRight = box.left > innerWidth / 2;
    const x = atRight ? box.right : box.left;
    open.value = { label, items, x, y: box.bottom + 4, atRight, opener };
  } else {
    open.value = { label, items, ...at, atRight: false, opener };
  }
}

export function MenuLayer() {
  const menu = open.value;
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const box = element.current;
    if (!menu || !box) return;
    const { width, height } = box.getBoundingClientRect();
    const x = menu.atRight ? menu.x - width : menu.x;
    box.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
    box.style.top = `${Math.max(8, Math.min(menu.y, innerHeight - height - 8))}px`;
    box.querySelector<HTMLElement>("[role^=menuitem]")?.focus();
  }, [menu]);
  if (!menu) return null;
  const close = (): void => {
    open.value = null;
    menu.opener?.focus();
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const items = [...event.currentTarget.querySelectorAll<HTMLElement>("[role^=menuitem]")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to: Record<string, number> = {
      ArrowDown: (at + 1) % items.length,
      ArrowUp: (at - 1 + items.length) % items.length,
      Home: 0,
      End: items.length - 1,
    };
    const next = to[event.key];
    if (next !== undefined) items[next]?.focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu-layer" onPointerDown={close} onContextMenu={(event) => event.preventDefault()}>
      <div
        class="menu"
        role="menu"
        aria-label={menu.label}
        ref={element}
        onKeyDown={onKeyDown}
        onPointerDown={(event) => event.stopPropagation()}
      >
        {menu.items.map((item, index) =>
          item === null ? (
            <div role="separator" key={index} />
          ) : (
            <button
              key={item.label}
              type="button"
              role={item.checked === undefined ? "menuitem" : "menuitemradio"}
              aria-checked={item.checked}
              class={item.danger ? "danger" : ""}
              tabIndex={-1}
              onClick={() => {
                close();
                item.run();
              }}
            >
              <Icon name={item.checked ? "check" : (item.icon ?? "more")} />
              <span>{item.label}</span>
              {item.keys && <kbd>{item.keys}</kbd>}
            </button>
          ),
        )}
      </div>
    </div>
  );
}

export function ToastLayer() {
  return (
    <section class="toasts" aria-label={t.notifications} aria-live="polite">
      {toasts.value.map((each) => (
        <div
          key={each.id}
          class={`toast ${each.tone}`}
          onPointerEnter={() => pause(each.id)}
          onPointerLeave={() => resume(each.id)}
          onFocusIn={() => pause(each.id)}
          onFocusOut={() => resume(each.id)}
        >
          <Icon name={each.tone === "good" ? "check" : "warn"} />
          <span>{each.text}</span>
          {each.action && (
            <button
              type="button"
              class="link"
              onClick={() => {
                each.action?.run();
                dismiss(each.id);
              }}
            >
              {each.action.label}
            </button>
          )}
          <Button
            label={t.close}
            icon="close"
            iconOnly
            kind="quiet"
            onClick={() => dismiss(each.id)}
          />
        </div>
      ))}
    </section>
  );
}

export function Progress({ value, label }: { value: number | null; label: string }) {
  return (
    <div
      class={`progress ${value === null ? "unknown" : ""}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={value === null ? undefined : Math.round(value)}
    >
      <div style={{ width: `${value ?? 30}%` }} />
    </div>
  );
}
