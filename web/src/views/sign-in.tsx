// Signing in, and what is open to everybody.

import { useState } from "preact/hooks";
import { ApiError, sentence } from "../api.ts";
import { session, signIn } from "../auth.ts";
import { projects } from "../projects.ts";
import { go, place } from "../router.ts";
import { t } from "../texts.ts";
import { Button, Field } from "../ui.tsx";
import { Icon } from "../icons.tsx";
import { chooseTheme, Logo } from "./sidebar.tsx";

/** The view to come back to; the one for signing in is not it. */
function wanted(): string {
  return place.value.view === "sign-in" ? "/" : location.pathname;
}

export function SignIn() {
  const oidc = session.value?.sign_in?.oidc;
  const [way, setWay] = useState<"password" | "token">("password");
  const [problem, setProblem] = useState(
    new URLSearchParams(location.search).get("signin") === "failed" ? t.signIn.failed : "",
  );
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const data = new FormData(form);
    const text = (name: string): string => String(data.get(name) ?? "").trim();
    setIsBusy(true);
    setProblem("");
    try {
      await signIn(
        way === "token"
          ? { token: text("token") }
          : { username: text("username"), password: String(data.get("password") ?? "") },
      );
      if (place.value.view === "sign-in") go("/", { replace: true });
    } catch (error) {
      const isWrong = error instanceof ApiError && [400, 403].includes(error.status);
      setProblem(isWrong ? t.signIn.wrong : sentence(error));
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <div class="sign-in">
      <main>
        <header>
          <Logo size={40} />
          <h1>{t.name}</h1>
          <p>{t.signIn.lead}</p>
        </header>
        {oidc && (
          <a class="button primary wide" href={`${oidc}?to=${encodeURIComponent(wanted())}`}>
            <Icon name="key" />
            {t.signIn.oidc}
          </a>
        )}
        <div class="segmented" role="group" aria-label={t.signIn.title}>
          {(["password", "token"] as const).map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={way === each}
              onClick={() => setWay(each)}
            >
              {each === "password" ? t.signIn.withPassword : t.signIn.withToken}
            </button>
          ))}
        </div>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void submit(event.currentTarget);
          }}
        >
          {way === "password" ? (
            <>
              <Field label={t.signIn.username}>
                {(id) => <input id={id} name="username" autocomplete="username" required />}
              </Field>
              <Field label={t.signIn.password}>
                {(id) => (
                  <input
                    id={id}
                    name="password"
                    type="password"
                    autocomplete="current-password"
                    required
                  />
                )}
              </Field>
            </>
          ) : (
            <Field label={t.signIn.token} hint={t.signIn.tokenHow}>
              {(id) => (
                <input id={id} name="token" type="password" autocomplete="off" required />
              )}
            </Field>
          )}
          {problem && (
            <p class="problem" role="alert">
              {problem}
            </p>
          )}
          <Button
            class="wide"
            label={t.signIn.submit}
            kind={oidc ? "plain" : "primary"}
            type="submit"
            disabled={isBusy}
          />
        </form>
        {projects.value && projects.value.length > 0 && (
          <section aria-labelledby="public">
            <h2 id="public">{t.signIn.public}</h2>
            <ul>
              {projects.value.slice(0, 8).map((each) => (
                <li key={each._id}>
                  <a href={`/p/${each._id}`}>
                    <Icon name="folder" size={16} />
                    {each.name}
                  </a>
                </li>
              ))}
            </ul>
          </section>
        )}
      </main>
      <Button
        class="corner"
        label={t.theme.title}
        icon="moon"
        iconOnly
        kind="quiet"
        expanded={false}
        onClick={(event) => chooseTheme(event.currentTarget)}
      />
    </div>
  );
}
