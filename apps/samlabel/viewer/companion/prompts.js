// Clicks and boxes: taken from the viewer's own tools, sent with every request, answered on their slice.

import * as doubt from './doubt.js';
import { readNrrd } from './nrrd.js';
import { $, say, saying } from './panel.js';
import { ask } from './server.js';
import * as viewer from './viewer.js';
import { apply, work } from './work.js';

let sign = 1; // of the next point: 1 it is here, -1 it is not
const waiting = new Set(); // labels whose newest prompts were not sent yet
let running = false;

export const busy = () => running;

export function setSign(value) { sign = value; }

export function take(annotation) {
  const uid = annotation.annotationUID, tool = annotation.metadata.toolName, label = $('label')?.value;
  if (!label || !viewer.volume() || known(uid)) return undefined;
  (work.prompts[label] ||= []).push({ uid, tool, sign, plane: viewer.plane() });
  return $('auto').checked ? run() : undefined;
}

const known = (uid) => Object.values(work.prompts).some((list) => list.some((prompt) => prompt.uid === uid));

// One request after the other; prompts that come meanwhile go together in the next one.
export async function run() {
  waiting.add($('label').value);
  if (running) return;
  running = true;
  try {
    for (const label of waiting) {
      waiting.delete(label);
      await segment(label);
    }
  } finally {
    waiting.clear();
    running = false;
  }
}

async function segment(label) {
  const prompts = work.prompts[label] || [], last = prompts[prompts.length - 1];
  if (!last) throw new Error(`Click on the ${label} first.`);
  const volume = $('volume').checked;
  const params = { label, plane: last.plane, result_compress: true, ...sent(prompts, last, volume) };
  say(volume ? `Following the ${label} through the slices ...` : `Segmenting ${label} ...`);
  const form = new FormData();
  form.append('params', JSON.stringify(params));
  const answer = await ask(`/infer/${volume ? 'sam_3d' : 'sam_2d'}?image=${viewer.series()}&output=all`, { method: 'POST', body: form });
  const reply = await answer.formData(), facts = JSON.parse(reply.get('params'));
  apply(label, await readNrrd(reply.get('image')), { ...facts, prompts: params }, last);
  const notes = (facts.warnings || []).join('; ');
  say(`${label}: ${facts.voxels} voxels, score ${Number(facts.score).toFixed(2)}${notes ? ` (${notes})` : ''}`);
  if (!volume) saying(doubt.about)(label, params);
}

// All prompts on the slice of the last one, in 3D on every slice of that plane; the last box counts.
function sent(prompts, last, volume) {
  const axis = viewer.axisOf(last.plane);
  const at = (prompt) => viewer.voxelsOf(prompt.uid)[0]?.[axis];
  const here = prompts.filter((prompt) => prompt.plane === last.plane && (volume || at(prompt) === at(last)));
  const points = (wanted) =>
    here.filter((p) => p.tool === viewer.POINT && p.sign === wanted).flatMap((p) => viewer.voxelsOf(p.uid));
  const box = here.filter((p) => p.tool === viewer.BOX).pop();
  const corners = box && viewer.voxelsOf(box.uid);
  const range = (axis) => [Math.min(...corners.map((c) => c[axis])), Math.max(...corners.map((c) => c[axis]))];
  return { foreground: points(1), background: points(-1), ...(box && { roi: [0, 1, 2].flatMap(range) }) };
}
