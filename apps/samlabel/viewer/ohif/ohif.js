// The viewer as the services say it: which case is open, its grid, its panes, and the way from a pixel to a voxel.

import { planeOf } from './geometry.js';
import { NO_IMAGE } from './protocol.js';

/** The managers that OHIF hands to extensions and modes; OHIF publishes no types for modules loaded at run time.
 * @typedef {{servicesManager: any, extensionManager: any, commandsManager: any}} Managers */
/** @typedef {import('./geometry.js').Grid} Grid */
/** @typedef {import('./geometry.js').Plane} Plane */
/** @typedef {{id: string, view: any, element: HTMLElement}} Pane a viewport that shows the case's image */
/**
 * @typedef {object} Case
 * @property {string} study
 * @property {string} series
 * @property {any} displaySet
 * @property {string} title without a name of the patient
 */

const COMMON = '@ohif/extension-cornerstone.utilityModule.common';
export const CLICKABLE = 'button, a, input, select, textarea, [role=button], [role=menu], [role=dialog]';

export class Ohif {
  /** @param {Managers} managers */
  constructor({ servicesManager, extensionManager, commandsManager }) {
    this.services = servicesManager.services;
    this.commands = commandsManager;
    const { cornerstone, cornerstoneTools } = extensionManager.getModuleEntry(COMMON).exports.getCornerstoneLibraries();
    this.cornerstone = cornerstone;
    this.tools = cornerstoneTools;
  }

  /** The case in the active pane, else the first one in any pane. @returns {Case | null} */
  openCase() {
    const { viewports } = this.services.viewportGridService.getState();
    const active = this.services.viewportGridService.getActiveViewportId();
    const shown = [viewports.get(active), ...viewports.values()];
    const sets = shown.flatMap((viewport) => viewport?.displaySetInstanceUIDs ?? [])
      .map((uid) => this.services.displaySetService.getDisplaySetByUID(uid));
    const displaySet = sets.find((set) => set?.SeriesInstanceUID && !NO_IMAGE.includes(set.Modality));
    if (!displaySet) return null;
    const { StudyInstanceUID: study, SeriesInstanceUID: series, Modality, SeriesDescription } = displaySet;
    const count = displaySet.imageIds?.length ?? displaySet.numImageFrames ?? 0;
    const title = [Modality, SeriesDescription, count === 1 ? 'one image' : `${count} slices`].filter(Boolean).join(', ');
    return { study, series, displaySet, title };
  }

  /** Panes that show a display set. @param {any} displaySet @returns {Pane[]} */
  panes(displaySet) {
    const { viewports } = this.services.viewportGridService.getState();
    /** @type {Pane[]} */
    const found = [];
    for (const [id, { displaySetInstanceUIDs: uids }] of viewports) {
      const view = uids?.includes(displaySet.displaySetInstanceUID)
        && this.services.cornerstoneViewportService.getCornerstoneViewport(id);
      if (view?.element?.isConnected) found.push({ id, view, element: view.element });
    }
    return found;
  }

  /** Whether everything about the image is here. @param {any} displaySet */
  loaded(displaySet) {
    const panes = this.panes(displaySet);
    return panes.length > 0 && panes.every(({ view }) => view.getImageData?.())
      && (this.volume(displaySet)?.loadStatus?.loaded ?? !this.isVolume(displaySet));
  }

  /** @param {any} displaySet */
  isVolume(displaySet) {
    return this.panes(displaySet).some(({ view }) => view.type === this.cornerstone.Enums.ViewportType.ORTHOGRAPHIC);
  }

  /** @param {any} displaySet @returns {any} */
  volume(displaySet) {
    const pane = this.panes(displaySet).find(({ view }) => view.getVolumeId);
    return pane && this.cornerstone.cache.getVolume(pane.view.getVolumeId());
  }

  /** @param {any} displaySet @returns {Grid} */
  grid(displaySet) {
    const volume = this.volume(displaySet);
    const { dimensions, spacing, origin, direction } = volume ?? this.panes(displaySet)[0].view.getImageData();
    /** @type {(list: ArrayLike<number>) => number[]} */
    const plain = (list) => Array.from(list);
    const grid = { dimensions: plain(dimensions), spacing: plain(spacing), origin: plain(origin),
      direction: plain(direction) };
    return volume ? grid : { ...grid, dimensions: [dimensions[0], dimensions[1], this.stack(displaySet).length] };
  }

  /** The images of a series that is no volume, in the order in which the server counts slices. @param {any} displaySet
   * @returns {string[]} */
  stack(displaySet) {
    const place = (/** @type {string} */ id) => {
      const plane = this.cornerstone.metaData.get('imagePlaneModule', id);
      const { rowCosines: r, columnCosines: c, imagePositionPatient: p } = plane ?? {};
      if (!r || !c || !p) return 0;
      return (r[1] * c[2] - r[2] * c[1]) * p[0] + (r[2] * c[0] - r[0] * c[2]) * p[1] + (r[0] * c[1] - r[1] * c[0]) * p[2];
    };
    return [...displaySet.imageIds].sort((a, b) => place(a) - place(b));
  }

  /** The voxel, with fractions, under a point of a pane. @param {Pane} pane @param {any} displaySet
   * @param {[number, number]} at pixels from the pane's upper left corner @returns {number[]} */
  voxelAt({ view }, displaySet, at) {
    const world = view.canvasToWorld(at), volume = this.volume(displaySet);
    if (volume) return Array.from(volume.imageData.worldToIndex(world));
    const [i, j] = view.getImageData().imageData.worldToIndex(world);
    return [i, j, this.stack(displaySet).indexOf(view.getCurrentImageId())];
  }

  /** The pixel of a voxel, and how many slices it is away from what the pane shows. @param {Pane} pane
   * @param {any} displaySet @param {number[]} voxel @returns {{x: number, y: number, away: number}} */
  pixelOf({ view }, displaySet, voxel) {
    const volume = this.volume(displaySet);
    if (!volume) {
      const world = view.getImageData().imageData.indexToWorld([voxel[0], voxel[1], 0]);
      const [x, y] = view.worldToCanvas(world);
      return { x, y, away: Math.abs(this.stack(displaySet).indexOf(view.getCurrentImageId()) - voxel[2]) };
    }
    const world = volume.imageData.indexToWorld(voxel), [x, y] = view.worldToCanvas(world);
    const { viewPlaneNormal: normal, focalPoint } = view.getCamera();
    const far = [0, 1, 2].reduce((sum, axis) => sum + normal[axis] * (world[axis] - focalPoint[axis]), 0);
    const thick = [0, 1, 2].reduce((sum, axis) => sum + volume.spacing[axis]
      * Math.abs([0, 1, 2].reduce((dot, c) => dot + normal[c] * volume.direction[3 * axis + c], 0)), 0);
    return { x, y, away: Math.abs(far) / thick };
  }

  /** The plane that a pane shows; empty for an image without planes. @param {Pane} pane @param {any} displaySet
   * @returns {Plane | ''} */
  plane({ view }, displaySet) {
    return this.isVolume(displaySet) ? planeOf(view.getCamera().viewPlaneNormal) : '';
  }

  /** The pane that the reader works in. @param {any} displaySet @returns {Pane | undefined} */
  activePane(displaySet) {
    const panes = this.panes(displaySet), id = this.services.viewportGridService.getActiveViewportId();
    return panes.find((pane) => pane.id === id) ?? panes[0];
  }

  /** @param {string} id */
  activate(id) {
    if (this.services.viewportGridService.getActiveViewportId() !== id) {
      this.services.viewportGridService.setActiveViewportId(id);
    }
  }

  /** Bring a voxel into a pane. @param {Pane} pane @param {any} displaySet @param {number[]} voxel */
  show({ view }, displaySet, voxel) {
    const volume = this.volume(displaySet);
    if (volume) view.jumpToWorld?.(volume.imageData.indexToWorld(voxel));
    else view.setImageIdIndex?.(displaySet.imageIds.indexOf(this.stack(displaySet)[voxel[2]]));
    view.render();
  }

  /** Called for every pane that was drawn. @param {(viewportId: string) => void} drawn
   * @returns {() => void} stops it */
  onDrawn(drawn) {
    const kind = this.cornerstone.Enums.Events.IMAGE_RENDERED;
    const listener = (/** @type {any} */ { detail }) => drawn(detail.viewportId);
    document.addEventListener(kind, listener, true); // the event does not bubble
    return () => document.removeEventListener(kind, listener, true);
  }

  /** Called when what the panes show changes. @param {() => void} changed @returns {() => void} stops it */
  onPanes(changed) {
    const { viewportGridService: grid, cornerstoneViewportService: viewports } = this.services;
    const kinds = [[grid, grid.EVENTS.GRID_STATE_CHANGED], [grid, grid.EVENTS.ACTIVE_VIEWPORT_ID_CHANGED],
      [viewports, viewports.EVENTS.VIEWPORT_DATA_CHANGED]];
    const all = kinds.filter(([, kind]) => kind).map(([service, kind]) => service.subscribe(kind, changed));
    return () => all.forEach(({ unsubscribe }) => unsubscribe());
  }

  /** Draw every pane again. */
  render() {
    this.services.cornerstoneViewportService.getRenderingEngine()?.render();
  }
}
