// Elements of the panel. Text is text: nothing that a server said becomes markup.

/** @typedef {HTMLElement | string | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, any>} [given] attributes; `on...` are listeners, `class` and `dataset` as usual
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'dataset') Object.assign(element.dataset, value);
    else if (typeof value === 'boolean') element.toggleAttribute(name, value);
    else if (value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set text only where it differs: screen readers are told of what changed. @param {HTMLElement} place
 * @param {string} text @param {boolean} [error] */
export function tell(place, text, error = false) {
  if (place.textContent !== text) place.textContent = text;
  place.classList.toggle('sl-error', error);
  place.hidden = !text;
}

/** @param {string} text @param {() => void} onclick @param {Record<string, any>} [given] */
export const button = (text, onclick, given = {}) => h('button', { type: 'button', onclick, ...given }, text);

/** A row of checkbox and words. @param {string} text @param {boolean} checked @param {(on: boolean) => void} changed
 * @param {Record<string, any>} [given] */
export function check(text, checked, changed, given = {}) {
  const box = h('input', { type: 'checkbox', ...given, onchange: () => changed(box.checked) });
  box.checked = checked;
  return h('label', { class: 'sl-check' }, box, ` ${text}`);
}

/** @param {string[]} values @param {string} name what is chosen, for screen readers
 * @param {(value: string) => void} [changed] */
export function choice(values, name, changed = () => {}) {
  const select = h('select', { 'aria-label': name, onchange: () => changed(select.value) });
  select.append(...values.map((value) => new Option(value, value)));
  return select;
}
