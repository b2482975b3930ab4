// What the stock MONAI Label panel of OHIF lacks: submit, run on click, box, brush, undo, next case, amend.
// Added to the viewer's page by ohif/page.py. It uses only what the viewer exposes on `window`; when that is missing,
// it says so and leaves the stock panel alone. Nothing here changes the viewer's own code.
(() => {
  'use strict';

  const SEGMENTATION = '1'; // the one that the stock panel makes when it connects
  const TOOL_GROUP = 'mpr';
  const POINT = 'ProbeMONAILabel', BOX = 'RectangleROI', BRUSH = 'CircularBrush', ERASER = 'CircularEraser';
  const NEEDED = ['cornerstone', 'cornerstoneTools', 'services', 'commandsManager'];
  const MAX_UNDO = 20, WAIT_MS = 500, TRAINING_MS = 30000, GIVE_UP_MS = 180000, SETTLE_MS = 700, DRAFT_MS = 2000;
  const known = document.currentScript.dataset.build === 'known';

  const $ = (name) => document.querySelector(`#samlabel [data-samlabel=${name}]`);
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const fresh = () => ({ prompts: {}, undo: [], facts: {}, inferred: false, brushed: false, loaded: false, dirty: false,
    unsaved: false });
  let work = fresh();
  let sign = 1, running = false, again = false;

  // ---------------------------------------------------------------- the viewer

  const axial = () => window.services.cornerstoneViewportService.viewportsById.get('mpr-axial');
  const volume = () => axial()?.viewportData?.data?.[0]?.volume;
  const labelmap = () => window.services.segmentationService.getLabelmapVolume(SEGMENTATION);
  const segments = () => Object.values(window.services.segmentationService.getSegmentation(SEGMENTATION)?.segments || {});
  const indexOf = (label) => segments().find((segment) => segment.label === label)?.segmentIndex;
  const redraw = () => window.cornerstone.triggerEvent(window.cornerstone.eventTarget,
    window.cornerstoneTools.Enums.Events.SEGMENTATION_DATA_MODIFIED, { segmentationId: SEGMENTATION });

  function series() {
    const { viewportGridService, displaySetService } = window.services;
    const viewport = viewportGridService.getState().viewports.get('mpr-axial');
    return displaySetService.getDisplaySetByUID(viewport.displaySetInstanceUIDs[0]).SeriesInstanceUID;
  }

  function activate(tool) {
    const group = window.cornerstoneTools.ToolGroupManager.getToolGroup(TOOL_GROUP);
    if (!group.hasTool(tool)) group.addTool(tool);
    if (tool === BRUSH || tool === ERASER) {
      window.cornerstoneTools.segmentation.segmentIndex.setActiveSegmentIndex(SEGMENTATION, indexOf($('label').value));
    }
    window.commandsManager.runCommand('setToolActive', { toolName: tool, toolGroupId: TOOL_GROUP });
    for (const button of document.querySelectorAll('#samlabel [data-tool]')) {
      button.classList.toggle('on', button.dataset.tool === tool && (tool !== POINT || Number(button.dataset.sign) === sign));
    }
  }

  // ---------------------------------------------------------------- the server

  const reader = () => ($('reader')?.value || '').trim();
  const asReader = (options) => (reader() ? { ...options, headers: { ...options.headers, 'x-samlabel-reader': reader() } } : options);

  async function ask(path, options = {}) {
    const answer = await fetch(path, asReader(options));
    if (answer.ok) return answer;
    const body = await answer.json().catch(() => ({}));
    throw new Error(body.detail || `the server answered ${answer.status}`);
  }

  const unzip = async (bytes) =>
    new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
  const zip = async (bytes) =>
    new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer());

  async function readNrrd(file) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const end = bytes.findIndex((value, at) => value === 10 && bytes[at + 1] === 10);
    const header = new TextDecoder().decode(bytes.subarray(0, end));
    const data = bytes.subarray(end + 2);
    return /encoding: *gzip/.test(header) ? unzip(data) : data;
  }

  async function writeNrrd(voxels) {
    const { dimensions, direction, spacing, origin } = volume();
    const axis = (n) => `(${[0, 1, 2].map((c) => direction[3 * n + c] * spacing[n]).join(',')})`;
    const header = ['NRRD0004', 'type: unsigned char', 'dimension: 3', 'space: left-posterior-superior',
      `sizes: ${Array.from(dimensions).join(' ')}`, `space directions: ${axis(0)} ${axis(1)} ${axis(2)}`,
      'kinds: domain domain domain', 'endian: little', 'encoding: gzip',
      `space origin: (${Array.from(origin).join(',')})`].join('\n');
    return new Blob([header, '\n\n', await zip(voxels)]);
  }

  // ---------------------------------------------------------------- prompts

  function handles(prompt) {
    const annotation = window.cornerstoneTools.annotation.state.getAnnotation(prompt.uid);
    return (annotation?.data.handles.points || []).map((point) => volume().imageData.worldToIndex(point).map(Math.round));
  }

  function request(label) {
    const prompts = work.prompts[label] || [];
    const last = prompts[prompts.length - 1];
    const points = (wanted) => prompts.filter((p) => p.tool === POINT && p.sign === wanted).flatMap(handles);
    const box = prompts.filter((p) => p.tool === BOX).pop();
    const params = { label, foreground: points(1), background: points(-1), plane: last.plane, result_compress: true };
    if (box) {
      const corners = handles(box);
      params.roi = [0, 1, 2].flatMap((axis) => [Math.min(...corners.map((c) => c[axis])), Math.max(...corners.map((c) => c[axis]))]);
    }
    return params;
  }

  function take(annotation) {
    const tool = annotation?.metadata?.toolName;
    const uid = annotation?.annotationUID;
    const label = $('label')?.value;
    if ((tool !== POINT && tool !== BOX) || !label || !volume()) return;
    if (Object.values(work.prompts).some((list) => list.some((prompt) => prompt.uid === uid))) return;
    const view = window.services.viewportGridService.getState().activeViewportId || 'mpr-axial';
    // A reading along the stored slices needs no name; other panes cut across them.
    const plane = view === 'mpr-axial' ? 'axial' : view.replace('mpr-', '');
    (work.prompts[label] ||= []).push({ uid, tool, sign, plane });
    if ($('auto').checked) run();
  }

  async function run() {
    if (running) { again = true; return; }
    running = true;
    try {
      do { again = false; await runOnce($('label').value); } while (again);
    } catch (error) {
      say(error.message, true);
    } finally {
      running = false;
    }
  }

  async function runOnce(label) {
    if (!(work.prompts[label] || []).length) return say(`Click on the ${label} first.`);
    const params = request(label);
    say(`Segmenting ${label} ...`);
    const form = new FormData();
    form.append('params', JSON.stringify(params));
    const reply = await (await ask(`/infer/sam_2d?image=${series()}&output=all`, { method: 'POST', body: form })).formData();
    const facts = JSON.parse(reply.get('params'));
    const mask = await readNrrd(reply.get('image'));
    apply(label, mask, facts);
    work.facts[label] = { ...facts, prompts: params };
    work.inferred = true;
    const notes = (facts.warnings || []).join('; ');
    say(`${label}: ${facts.voxels} voxels, score ${Number(facts.score).toFixed(2)}${notes ? ` (${notes})` : ''}`);
  }

  // Only the slice that was asked about changes, and only what is free or belongs to this label: an empty answer
  // erases the old mask, and a new object never takes voxels from another.
  function apply(label, mask, facts) {
    endStroke();
    const map = labelmap().voxelManager, value = indexOf(label), changed = [];
    const [ni, nj, nk] = volume().dimensions;
    const range = [[0, ni], [0, nj], [0, nk]];
    range['ijk'.indexOf(facts.axis)] = [facts.slice, facts.slice + 1];
    for (let k = range[2][0]; k < range[2][1]; k++) {
      for (let j = range[1][0]; j < range[1][1]; j++) {
        for (let i = range[0][0]; i < range[0][1]; i++) {
          const at = i + ni * (j + nj * k), before = map.getAtIndex(at);
          const after = mask[at] ? value : 0;
          if (before !== after && (before === 0 || before === value)) changed.push([at, before, after]);
        }
      }
    }
    remember({ label, changed, prompt: true });
    put(changed.map(([at, , after]) => [at, after]));
  }

  function put(voxels) {
    const map = labelmap().voxelManager;
    work.before = null;
    for (const [at, value] of voxels) map.setAtIndex(at, value);
    redraw();
  }

  // The brush writes by itself: what a stroke changed is found by comparing before and after.
  function beginStroke() {
    endStroke();
    const tool = document.querySelector('#samlabel button.on')?.dataset.tool;
    work.before = tool === BRUSH || tool === ERASER ? labelmap()?.voxelManager.getCompleteScalarDataArray().slice() : null;
  }

  function endStroke() {
    const before = work.before, changed = [];
    if (!before || !labelmap()) return;
    const after = labelmap().voxelManager.getCompleteScalarDataArray();
    for (let at = 0; at < before.length; at++) if (before[at] !== after[at]) changed.push([at, before[at], after[at]]);
    if (!changed.length) return; // the tools wait for a second click before they begin: it may come later
    work.before = null;
    remember({ label: $('label').value, changed, prompt: false });
    work.brushed = true;
  }

  function remember(step) {
    work.undo.push(step);
    work.dirty = work.unsaved = true;
    if (work.undo.length > MAX_UNDO) work.undo.shift();
  }

  function undo() {
    endStroke();
    const step = work.undo.pop();
    if (!step) return say('Nothing to undo.');
    put(step.changed.map(([at, before]) => [at, before]));
    const prompt = step.prompt && (work.prompts[step.label] || []).pop();
    if (prompt) window.cornerstoneTools.annotation.state.removeAnnotation(prompt.uid);
    axial() && window.services.cornerstoneViewportService.getRenderingEngine().render();
    say(`Undone: the last ${step.prompt ? 'prompt' : 'change'} of ${step.label}.`);
  }

  // ---------------------------------------------------------------- labels

  // The segmentation as the server stores it: values 1..n without gaps, and their names.
  async function packed() {
    const voxels = labelmap().voxelManager.getCompleteScalarDataArray();
    const present = [...new Set(voxels)].filter(Boolean).sort((a, b) => a - b);
    const number = Object.fromEntries(present.map((value, at) => [value, at + 1]));
    const names = present.map((value) => segments().find((s) => s.segmentIndex === value)?.label || `label ${value}`);
    const kind = work.inferred || work.loaded ? 'SEMIAUTOMATIC' : work.brushed ? 'MANUAL' : 'AUTOMATIC';
    const facts = Object.values(work.facts).pop() || {};
    const form = new FormData();
    form.append('params', JSON.stringify({
      label_info: names.map((name, at) => ({ name, idx: at + 1 })), algorithm_type: kind,
      model: facts.model || '', adapter: facts.adapter || '', client_id: 'ohif',
      prompts: Object.fromEntries(Object.entries(work.facts).map(([label, f]) => [label, f.prompts])),
    }));
    form.append('label', await writeNrrd(Uint8Array.from(voxels, (value) => number[value] || 0)), 'label.nrrd');
    return { names, form };
  }

  const labelUrl = (name, tag) => `/datastore/label?${name}=${series()}&tag=${tag}`;
  const draftTag = () => `draft_${reader().replace(/[^A-Za-z0-9]/g, '-') || 'local'}`;

  async function submit() {
    const { names, form } = await packed();
    if (!names.length) return say('There is nothing to submit yet.', true);
    say('Submitting ...');
    await ask(labelUrl('image', 'final'), { method: 'PUT', body: form });
    work.dirty = work.unsaved = false;
    say(`Submitted: ${names.join(', ')}.`);
    if (await info(draftTag())) await ask(labelUrl('id', draftTag()), { method: 'DELETE' });
    await showStored();
  }

  // What is not submitted is kept on the server, so that neither a crash here nor one there loses it.
  async function saveDraft() {
    if (!work.unsaved || running || !labelmap()) return;
    work.unsaved = false;
    const { names, form } = await packed();
    if (!names.length) return;
    await ask(labelUrl('image', draftTag()), { method: 'PUT', body: form }).catch((error) => {
      work.unsaved = true;
      throw new Error(`The draft is not kept yet: ${error.message}`);
    });
  }

  async function info(tag) {
    const answer = await fetch(`/datastore/label/info?label=${series()}&tag=${tag}`, asReader({}));
    const found = answer.ok ? await answer.json() : {};
    return found.label_info ? found : null;
  }

  async function showStored() {
    const [final, draft] = [await info('final'), await info(draftTag())];
    const named = (found) => found.label_info.map((entry) => entry.name).join(', ');
    $('stored').textContent = (final ? `Accepted label: ${named(final)}${final.reader ? ` (${final.reader})` : ''}. ` : '')
      + (draft ? `Unfinished draft: ${named(draft)}.` : '');
    $('reopen').disabled = $('withdraw').disabled = !final;
    $('restore').disabled = !draft;
  }

  async function load(tag) {
    const found = await info(tag);
    if (!found) return say('There is none for this case.', true);
    const mask = await readNrrd(await (await ask(labelUrl('label', tag))).blob());
    const value = found.label_info.map((entry) => indexOf(entry.name));
    const missing = found.label_info.filter((_, at) => !value[at]).map((entry) => entry.name);
    const map = labelmap().voxelManager, changed = [];
    for (let at = 0; at < mask.length; at++) {
      const before = map.getAtIndex(at), after = mask[at] ? value[mask[at] - 1] || 0 : 0;
      if (before !== after) changed.push([at, before, after]);
    }
    remember({ label: 'the loaded label', changed, prompt: false });
    put(changed.map(([at, , after]) => [at, after]));
    work.loaded = true;
    if (tag === 'final') work.dirty = work.unsaved = false;
    say(missing.length ? `Loaded without ${missing.join(', ')}: not among this server's labels.` : 'Loaded: correct it and submit again.');
  }

  const reopen = () => load('final');
  const restore = () => load(draftTag());

  async function withdraw() {
    if (!window.confirm('Withdraw the accepted label of this case?')) return;
    await ask(labelUrl('id', 'final'), { method: 'DELETE' });
    say('Withdrawn: the case counts as not labelled again.');
    await showStored();
  }

  async function next() {
    if (work.dirty && !window.confirm('This case has changes that are not submitted. Leave it?')) return;
    const strategy = $('strategy').value;
    const options = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ client_id: 'ohif' }) };
    const sample = await (await ask(`/activelearning/${strategy}`, options)).json();
    if (!sample.StudyInstanceUID) return say('No case without a label is left.');
    sessionStorage.setItem('samlabel-reason', sample.reason || `chosen by ${strategy}`);
    window.location.href = `/ohif/monai-label?StudyInstanceUIDs=${sample.StudyInstanceUID}`;
  }

  async function showTraining() {
    const stats = Object.values((await (await ask('/info/')).json()).train_stats || {})[0];
    // A run that is over has its total time.
    if (!stats?.epoch || stats.total_time) { $('training').textContent = ''; return; }
    const best = stats.best_metric ? `, best ${(100 * stats.best_metric).toFixed(0)} %` : '';
    $('training').textContent = `Training: epoch ${stats.epoch || 0} of ${stats.total_epochs || '?'}${best}`;
  }

  // ---------------------------------------------------------------- the panel

  const STYLE = `
    #samlabel { position: fixed; left: 8px; bottom: 8px; width: 264px; z-index: 1000; padding: 8px; border-radius: 6px;
      background: #0b1a42f2; border: 1px solid #3a5aa8; color: #e8eefc; font: 13px/1.5 Inter, sans-serif; }
    #samlabel button, #samlabel select, #samlabel input[size] { background: #1b2f66; color: inherit; border: 1px solid #3a5aa8;
      border-radius: 4px; padding: 1px 7px; margin: 1px; }
    #samlabel button.on { background: #348cfd; } #samlabel button:disabled { opacity: .4; }
    #samlabel .error { color: #ffb4a8; } #samlabel b { display: block; }`;
  const PANEL = `
    <b>samlabel</b> <input data-samlabel="reader" size="12" placeholder="your name" title="Stands with what you submit">
    <div data-samlabel="notice" class="error"></div>
    <select data-samlabel="label" title="What you segment"></select>
    <label><input type="checkbox" data-samlabel="auto" checked> run on click</label>
    <div><button data-tool="${POINT}" data-sign="1" title="It is here">+ point</button>
      <button data-tool="${POINT}" data-sign="-1" title="It is not here">- point</button>
      <button data-tool="${BOX}" title="It is inside">box</button>
      <button data-samlabel="run">run</button></div>
    <div><button data-tool="${BRUSH}">brush</button><button data-tool="${ERASER}">eraser</button>
      <button data-samlabel="undo">undo</button></div>
    <div><button data-samlabel="submit">Submit label</button>
      <button data-samlabel="reopen" disabled>re-open</button><button data-samlabel="withdraw" disabled>withdraw</button>
      <button data-samlabel="restore" disabled>restore draft</button></div>
    <div><select data-samlabel="strategy" title="How the next case is chosen"></select>
      <button data-samlabel="next">Next case</button></div>
    <div data-samlabel="status" role="status"></div><div data-samlabel="stored"></div><div data-samlabel="training"></div>`;

  function say(text, error = false) {
    const place = $('status');
    if (place) { place.textContent = text; place.classList.toggle('error', error); }
  }

  function show() {
    const panel = document.createElement('div');
    panel.id = 'samlabel';
    panel.innerHTML = `<style>${STYLE}</style>${PANEL}`;
    document.body.append(panel);
    const actions = { run, undo, submit, reopen, withdraw, restore, next };
    $('reader').value = localStorage.getItem('samlabel-reader') || '';
    $('reader').onchange = () => localStorage.setItem('samlabel-reader', reader());
    for (const [name, action] of Object.entries(actions)) {
      $(name).onclick = () => Promise.resolve().then(action).catch((error) => say(error.message, true));
    }
    for (const button of panel.querySelectorAll('[data-tool]')) {
      button.onclick = () => { sign = Number(button.dataset.sign || 1); activate(button.dataset.tool); };
    }
    if (!known) $('notice').textContent = 'This OHIF is another build than the companion was made for; the stock panel works as ever.';
  }

  function listen() {
    const completed = window.cornerstoneTools.Enums.Events.ANNOTATION_COMPLETED;
    window.cornerstone.eventTarget.addEventListener(completed, (event) => take(event.detail.annotation));
    // In the capture phase: before the tools see the button go down.
    window.addEventListener('mousedown', (event) => !event.target.closest('#samlabel') && beginStroke(), true);
    window.addEventListener('mouseup', () => setTimeout(endStroke, SETTLE_MS));
  }

  // The stock panel asks for a fixed port; the server is where this page came from.
  function connect() {
    const field = document.querySelector('#monailabelServerURL');
    const button = document.querySelector('.settingsTable button.actionButton');
    if (!field || !button) return false;
    field.value = window.location.origin;
    field.dispatchEvent(new FocusEvent('focusout', { bubbles: true })); // the panel reads the field when it is left
    setTimeout(() => button.click(), WAIT_MS);
    return true;
  }

  async function until(condition, what) {
    for (let waited = 0; waited < GIVE_UP_MS; waited += WAIT_MS) {
      if (condition()) return;
      await sleep(WAIT_MS);
    }
    throw new Error(`${what} did not appear; the stock panel works as ever`);
  }

  async function openCase() {
    work = fresh();
    show();
    try {
      say('Loading the images ...');
      await until(() => NEEDED.every((name) => window[name]), `what the companion needs of OHIF (${NEEDED.join(', ')})`);
      await until(() => volume()?.loadStatus?.loaded, 'the image volume');
      await until(connect, 'the MONAI Label panel');
      await until(() => segments().length && labelmap(), 'the segmentation');
      const info = await (await ask('/info/')).json();
      $('label').replaceChildren(...info.labels.filter((l) => l !== 'background').map((label) => new Option(label, label)));
      $('strategy').replaceChildren(...Object.keys(info.strategies).map((name) => new Option(name, name)));
      listenOnce();
      await Promise.all([showStored(), showTraining()]);
      const reason = sessionStorage.getItem('samlabel-reason');
      sessionStorage.removeItem('samlabel-reason');
      say(reason ? `This case: ${reason}.` : 'Ready: choose a label and a tool.');
      $('label').dataset.ready = 'yes';
    } catch (error) {
      say(error.message, true);
    }
  }

  let listening = false;
  const listenOnce = () => { if (!listening) { listening = true; listen(); } };

  let shown = '';
  setInterval(() => {
    const here = /\/monai-label\b/.test(window.location.pathname) ? window.location.search : '';
    if (here === shown) return;
    shown = here;
    document.querySelector('#samlabel')?.remove();
    if (here) openCase();
  }, WAIT_MS);
  setInterval(() => $('label')?.dataset.ready && saveDraft().catch((error) => say(error.message, true)), DRAFT_MS);
  setInterval(() => $('training') && showTraining().catch(() => {}), TRAINING_MS);
  window.addEventListener('beforeunload', (event) => { if (work.dirty) event.preventDefault(); });
})();
