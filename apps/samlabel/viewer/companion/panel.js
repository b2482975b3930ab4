// The companion's panel: what is on it, and saying things in it.

import { BOX, BRUSH, ERASER, POINT } from './viewer.js';

const STYLE = `
  #samlabel { position: fixed; left: 8px; bottom: 8px; width: 264px; z-index: 1000; padding: 8px; border-radius: 6px;
    background: #0b1a42f2; border: 1px solid #3a5aa8; color: #e8eefc; font: 13px/1.5 Inter, sans-serif; }
  #samlabel button, #samlabel select, #samlabel input[size] { background: #1b2f66; color: inherit; padding: 1px 7px;
    border: 1px solid #3a5aa8; border-radius: 4px; margin: 1px; }
  #samlabel button.on { background: #348cfd; } #samlabel button:disabled { opacity: .4; }
  #samlabel .error { color: #ffb4a8; } #samlabel b { display: block; }`;

const PANEL = `
  <b>samlabel</b> <input data-samlabel="reader" size="12" placeholder="your name" title="Stands with what you submit">
  <div data-samlabel="notice" class="error"></div>
  <select data-samlabel="label" title="What you segment"></select>
  <label><input type="checkbox" data-samlabel="auto" checked> run on click</label>
  <label title="Follow the object through all slices"><input type="checkbox" data-samlabel="volume"> 3D</label>
  <label title="Show where the network is unsure about its last mask"><input type="checkbox" data-samlabel="doubt">
    uncertainty</label>
  <div><button data-tool="${POINT}" data-sign="1" title="It is here">+ point</button>
    <button data-tool="${POINT}" data-sign="-1" title="It is not here">- point</button>
    <button data-tool="${BOX}" title="It is inside">box</button>
    <button data-samlabel="run">run</button></div>
  <div><button data-tool="${BRUSH}">brush</button><button data-tool="${ERASER}">eraser</button>
    <button data-samlabel="undo">undo</button></div>
  <div><button data-samlabel="submit">Submit label</button>
    <button data-samlabel="reopen" disabled>re-open</button><button data-samlabel="withdraw" disabled>withdraw</button>
    <button data-samlabel="discard" disabled title="Throw away what is not submitted">discard draft</button></div>
  <div><select data-samlabel="strategy" title="How the next case is chosen"></select>
    <button data-samlabel="next">Next case</button></div>
  <div data-samlabel="status" role="status"></div><div data-samlabel="expected"></div>
  <div data-samlabel="stored"></div>
  <div data-samlabel="lease"></div><div data-samlabel="training"></div>`;

export const $ = (name) => document.querySelector(`#samlabel [data-samlabel=${name}]`);

export function say(text, error = false) {
  const place = $('status');
  if (place) { place.textContent = text; place.classList.toggle('error', error); }
}

// Whatever goes wrong in an action is a sentence in the panel.
export const saying = (action) => (...given) =>
  Promise.resolve().then(() => action(...given)).catch((error) => say(error.message, true));

export const time = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

export function show(actions, onTool) {
  const panel = document.createElement('div');
  panel.id = 'samlabel';
  panel.innerHTML = `<style>${STYLE}</style>${PANEL}`;
  document.body.append(panel);
  for (const [name, action] of Object.entries(actions)) $(name).onclick = saying(action);
  for (const button of panel.querySelectorAll('[data-tool]')) {
    button.onclick = saying(() => {
      onTool(button.dataset.tool, Number(button.dataset.sign || 1));
      for (const other of panel.querySelectorAll('[data-tool]')) other.classList.toggle('on', other === button);
    });
  }
}

export const remove = () => document.querySelector('#samlabel')?.remove();
