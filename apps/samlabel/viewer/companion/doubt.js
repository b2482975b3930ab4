// How unsure the network is about the mask that it answered last: a colour over the slice, and the Dice to expect. It
// is drawn above the image and is part of no label; whatever changes the label map takes it away.

import { $, say } from './panel.js';
import { ask } from './server.js';
import * as viewer from './viewer.js';

const COARSE = 2; // screen pixels per drawn one: still finer than a voxel

let question = null; // {label, params} of the mask that is shown; null where the label map says something else
let doubt = null; // {low, shape, voxels, scale}: the box that holds the answer

const wanted = () => Boolean($('doubt')?.checked);

export function forget() {
  question = doubt = null;
  show();
}

// The mask of a request is on the screen.
export function about(label, params) {
  question = { label, params };
  return wanted() ? fetchDoubt() : undefined;
}

export function toggle() {
  show();
  if (!wanted() || doubt) return undefined;
  if (question) return fetchDoubt();
  return say('Uncertainty is shown with the next answer on one slice.');
}

// Asked for after the mask, which does not wait for it; the same prompts get the same mask again.
async function fetchDoubt() {
  const asked = question, form = new FormData();
  form.append('params', JSON.stringify({ ...asked.params, uncertainty: true }));
  const facts = await (await ask(`/infer/sam_2d?image=${viewer.series()}&output=json`, { method: 'POST', body: form })).json();
  const { low, shape, data, scale, expected_dice: expected } = facts.uncertainty;
  const voxels = await inflated(data);
  if (question !== asked) return; // another mask came meanwhile
  doubt = { low, shape, voxels, scale, told: expected[asked.label] };
  show();
}

const inflated = async (text) => {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Int8Array(await new Response(stream).arrayBuffer());
};

function show() {
  const place = $('expected'), dice = doubt?.told;
  const told = dice === undefined ? 'The mask is too small to say how sure it is.'
    : `Unsure: yellow, very: red. Dice to expect: ${dice.toFixed(2)}.`;
  if (place) place.textContent = wanted() && doubt ? told : '';
  viewer.panes().forEach(draw);
}

// Every pane shows the voxels that it cuts, whichever way it lies.
export function draw(pane) {
  const layer = viewer.layer(pane);
  if (!layer) return;
  layer.hidden = !wanted() || !doubt;
  if (layer.hidden) return;
  const { low, shape, voxels, scale } = doubt, { start, right, down } = viewer.voxelsUnder(pane);
  layer.width = Math.ceil(layer.clientWidth / COARSE);
  layer.height = Math.ceil(layer.clientHeight / COARSE);
  const picture = new ImageData(layer.width, layer.height);
  for (let y = 0; y < layer.height; y++) {
    for (let x = 0; x < layer.width; x++) {
      const [i, j, k] = start.map((v, axis) =>
        Math.round(v + COARSE * ((x + 0.5) * right[axis] + (y + 0.5) * down[axis])) - low[axis]);
      if (i < 0 || j < 0 || k < 0 || i >= shape[0] || j >= shape[1] || k >= shape[2]) continue;
      const much = voxels[i + shape[0] * (j + shape[1] * k)] / scale;
      picture.data.set([255, 230 * (1 - much), 0, 200 * Math.min(1, 1.5 * much)], 4 * (x + layer.width * y));
    }
  }
  layer.getContext('2d').putImageData(picture, 0, 0);
}
