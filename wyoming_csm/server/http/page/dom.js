// Elements: made, found, and told to people; errors in words beside what they are about.

export const find = (selector, within = document) => within.querySelector(selector);

/** Make an element: `make("p", {class: "hint", onclick: …}, "words", child)`. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an element of a drawing. */
export function draw(name, properties = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Say something to those who listen to the page instead of seeing it. */
export function announce(words) {
  find("#announcer").textContent = words;
}

/** Words of the server, with what stands between backquotes as what one types. */
export function typed(words) {
  return words.split("`").map((part, i) => (i % 2 ? make("code", {}, part) : part));
}

/** Show what went wrong in an element of class `problem`; without an error, clear it. */
export function complain(element, error = null) {
  if (error?.name !== "AbortError") tell(element, error && (error.message || String(error)), false);
}

/** Show there what is not as it was asked for, though it goes on. */
export function warn(element, words) {
  tell(element, words, true);
}

function tell(element, words, mild) {
  element.replaceChildren();
  element.classList.toggle("mild", mild);
  element.hidden = !words;
  if (!words) return;
  element.append(
    make("p", {}, ...typed(words)),
    make("button", { type: "button", class: "plain", onclick: () => complain(element) }, "Dismiss"),
  );
}

/** Do something; show its error there. Returns undefined where it failed. */
export async function guarded(element, doing) {
  complain(element);
  try {
    return await doing();
  } catch (error) {
    complain(element, error);
    return undefined;
  }
}

/** The same for a button, which waits meanwhile. */
export async function waiting(button, element, doing) {
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  try {
    return await guarded(element, doing);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** Ask in a dialog. `field` is {label, value, type}: the answer is what was typed, else true;
 * null where it was cancelled. */
export function question({ title, words, action, danger = false, field = null }) {
  return new Promise((resolve) => {
    const input = field && make("input", { type: field.type || "text", value: field.value || "",
      required: true, maxlength: field.most || 4096, autocomplete: "off", spellcheck: "false" });
    const cancel = () => dialog.close();
    const dialog = make("dialog", { "aria-labelledby": "question" },
      make("form", { onsubmit: (event) => {
        event.preventDefault();
        result = input ? input.value.trim() : true;
        dialog.close();
      } },
        make("h2", { id: "question" }, title),
        words ? make("p", {}, words) : null,
        input ? make("label", {}, field.label, input) : null,
        make("div", { class: "actions" },
          make("button", { type: "button", class: "quiet", onclick: cancel }, "Cancel"),
          make("button", { class: danger ? "danger" : "strong" }, action))));
    let result = null;
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
    if (input) input.select();
  });
}

/** Seconds for people. */
export function seconds(value) {
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

const names = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

/** A language's name: "English (United Kingdom)" for en-GB. */
export function language(tag) {
  try {
    return names.of(tag.replaceAll("_", "-"));
  } catch {
    return tag;
  }
}
