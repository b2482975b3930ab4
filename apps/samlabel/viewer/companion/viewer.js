// What the viewer exposes on `window`, under the names that the companion uses. Nothing else touches the viewer, so
// this is the file to look at when another build of OHIF behaves differently.

export const SEGMENTATION = '1'; // the one that the stock panel makes when it connects
export const POINT = 'ProbeMONAILabel', BOX = 'RectangleROI', BRUSH = 'CircularBrush', ERASER = 'CircularEraser';

const TOOL_GROUP = 'mpr';
const NEEDED = ['cornerstone', 'cornerstoneTools', 'services', 'commandsManager'];

export const missing = () => NEEDED.filter((name) => !window[name]);

const viewports = () => window.services.cornerstoneViewportService;
const axial = () => viewports().viewportsById.get('mpr-axial');

export const volume = () => axial()?.viewportData?.data?.[0]?.volume;
export const labelmap = () => window.services.segmentationService.getLabelmapVolume(SEGMENTATION)?.voxelManager;
export const segments = () =>
  Object.values(window.services.segmentationService.getSegmentation(SEGMENTATION)?.segments || {});
export const indexOf = (label) => segments().find((segment) => segment.label === label)?.segmentIndex;

export function series() {
  const { viewportGridService, displaySetService } = window.services;
  const viewport = viewportGridService.getState().viewports.get('mpr-axial');
  return displaySetService.getDisplaySetByUID(viewport.displaySetInstanceUIDs[0]).SeriesInstanceUID;
}

export function redraw() {
  const modified = window.cornerstoneTools.Enums.Events.SEGMENTATION_DATA_MODIFIED;
  window.cornerstone.triggerEvent(window.cornerstone.eventTarget, modified, { segmentationId: SEGMENTATION });
  viewports().getRenderingEngine()?.render();
}

export const panes = () => window.services?.cornerstoneViewportService?.getRenderingEngine()?.getViewports() || [];

// Told of every pane that was drawn; the event does not bubble.
export function onDrawn(drawn) {
  const rendered = window.cornerstone.Enums.Events.IMAGE_RENDERED;
  document.addEventListener(rendered, ({ detail }) => {
    const pane = panes().find(({ id }) => id === detail.viewportId);
    if (pane) drawn(pane);
  }, true);
}

// A canvas over the image of a pane and under its annotations.
export function layer(pane) {
  const image = pane.canvas, next = image?.nextElementSibling;
  if (!image || next?.dataset.samlabel === 'layer') return next;
  const made = document.createElement('canvas');
  made.dataset.samlabel = 'layer';
  made.style.cssText = 'position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none;';
  image.after(made);
  return made;
}

// The voxel, with fractions, under the upper left corner of a pane, and the way to the next screen pixel.
export function voxelsUnder(pane) {
  const at = (x, y) => Array.from(volume().imageData.worldToIndex(pane.canvasToWorld([x, y])));
  const start = at(0, 0), far = 100;
  const [right, down] = [at(far, 0), at(0, far)].map((there) => there.map((v, axis) => (v - start[axis]) / far));
  return { start, right, down };
}

export function takeTool(tool, label) {
  const { ToolGroupManager, segmentation } = window.cornerstoneTools;
  const group = ToolGroupManager.getToolGroup(TOOL_GROUP);
  if (!group.hasTool(tool)) group.addTool(tool);
  if (tool === BRUSH || tool === ERASER) segmentation.segmentIndex.setActiveSegmentIndex(SEGMENTATION, indexOf(label));
  window.commandsManager.runCommand('setToolActive', { toolName: tool, toolGroupId: TOOL_GROUP });
}

// The pane that the reader works in names the plane that the answer is wanted in.
export const plane = () => (window.services.viewportGridService.getState().activeViewportId || 'mpr-axial').slice(4);

export function onPrompt(take) {
  const completed = window.cornerstoneTools.Enums.Events.ANNOTATION_COMPLETED;
  window.cornerstone.eventTarget.addEventListener(completed, ({ detail: { annotation } }) => {
    if ([POINT, BOX].includes(annotation?.metadata?.toolName)) take(annotation);
  });
}

export const annotation = (uid) => window.cornerstoneTools.annotation.state.getAnnotation(uid);
export const removeAnnotation = (uid) => window.cornerstoneTools.annotation.state.removeAnnotation(uid);

// What is needed to draw an annotation again in another session; what the tools computed from pixels is not.
export function savedAnnotation(uid) {
  const { metadata, data } = annotation(uid) || {};
  return metadata && JSON.parse(JSON.stringify({ annotationUID: uid, metadata, data: { ...data, cachedStats: {} } }));
}

export function drawAnnotation(saved) {
  const drawn = { highlighted: false, isLocked: false, isVisible: true, invalidated: true, ...saved };
  window.cornerstoneTools.annotation.state.addAnnotation(drawn, saved.metadata.FrameOfReferenceUID);
}

// Corners or points of an annotation as voxels.
export const voxelsOf = (uid) =>
  (annotation(uid)?.data.handles.points || []).map((point) => volume().imageData.worldToIndex(point).map(Math.round));

// The stored axis that runs most nearly across a plane.
export function axisOf(name) {
  const across = { sagittal: 0, coronal: 1, axial: 2 }[name], { direction } = volume();
  const slope = [0, 1, 2].map((axis) => Math.abs(direction[3 * axis + across]));
  return slope.indexOf(Math.max(...slope));
}

// The stock panel asks for a fixed port; the server is where this page came from.
export function connect(afterwards) {
  const field = document.querySelector('#monailabelServerURL');
  const button = document.querySelector('.settingsTable button.actionButton');
  if (!field || !button) return false;
  field.value = window.location.origin;
  field.dispatchEvent(new FocusEvent('focusout', { bubbles: true })); // the panel reads the field when it is left
  setTimeout(() => button.click(), afterwards);
  return true;
}
