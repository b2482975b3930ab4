// The label map in OHIF's segmentation service: its segments, their looks, its voxels.

/** @typedef {import('./ohif.js').Ohif} Ohif */
/** @typedef {import('./ohif.js').Case} Case */
/** @typedef {import('./overlap.js').Changes} Changes */
/** @typedef {{value: number, name: string, color: [number, number, number], visible: boolean, locked: boolean}} Label */

export const idOf = (/** @type {string} */ series) => `samlabel-${series}`;

export class Labelmap {
  #writing = false;

  /** @param {Ohif} ohif @param {Case} shown */
  constructor(ohif, shown) {
    this.ohif = ohif;
    this.case = shown;
    this.id = idOf(shown.series);
    this.type = ohif.tools.Enums.SegmentationRepresentations.Labelmap;
    this.kind = ohif.tools.Enums.Events.SEGMENTATION_DATA_MODIFIED;
  }

  get service() { return this.ohif.services.segmentationService; }

  /** Make the segmentation, if OHIF does not have it from an earlier visit, and show it in every pane.
   * @param {Label[]} labels */
  async open(labels) {
    if (!this.ohif.tools.segmentation.state.getSegmentation(this.id)) {
      const segments = Object.fromEntries(labels.map(({ value, name, locked }) =>
        [value, { segmentIndex: value, label: name, active: value === labels[0].value, locked, cachedStats: {} }]));
      await this.service.createLabelmapForDisplaySet(this.case.displaySet,
        { segmentationId: this.id, label: 'samlabel', segments });
    }
    await this.show(labels);
  }

  /** Show it in panes that do not have it yet. @param {Label[]} labels */
  async show(labels) {
    for (const { id } of this.ohif.panes(this.case.displaySet)) {
      const there = this.service.getSegmentationRepresentations(id, { segmentationId: this.id });
      if (there.length) continue;
      await this.service.addSegmentationRepresentation(id, { segmentationId: this.id, type: this.type });
      labels.forEach((label) => this.#look(id, label));
    }
  }

  /** @param {Label} label */
  look(label) {
    this.ohif.panes(this.case.displaySet).forEach(({ id }) => this.#look(id, label));
    this.service.setSegmentLocked(this.id, label.value, label.locked);
  }

  /** @param {string} pane @param {Label} label */
  #look(pane, { value, color, visible }) {
    this.service.setSegmentColor(pane, this.id, value, [...color, 255]);
    this.service.setSegmentVisibility(pane, this.id, value, visible, this.type);
  }

  /** One label more. @param {Label} label */
  add(label) {
    this.service.addSegment(this.id, { segmentIndex: label.value, label: label.name });
    this.look(label);
  }

  /** @param {number} value */
  activate(value) {
    this.service.setActiveSegment(this.id, value);
    for (const { id } of this.ohif.panes(this.case.displaySet)) this.service.setActiveSegmentation?.(id, this.id);
  }

  /** @param {number} alpha of the filling, 0 to 1 */
  opacity(alpha) {
    this.ohif.tools.segmentation.config.style.setStyle(
      { type: this.type, segmentationId: this.id }, { fillAlpha: alpha, fillAlphaInactive: alpha });
    this.ohif.render();
  }

  get #volume() { return this.service.getLabelmapVolume(this.id)?.voxelManager; }

  /** The images of a label map that is no volume, in the server's order. */
  get #images() {
    const { imageIds } = this.ohif.tools.segmentation.state.getSegmentation(this.id).representationData[this.type];
    const all = imageIds.map((/** @type {string} */ id) => this.ohif.cornerstone.cache.getImage(id));
    const order = this.ohif.stack(this.case.displaySet);
    return order.map((id) => all.find((/** @type {any} */ image) => image.referencedImageId === id));
  }

  /** Every voxel, i fastest; a copy. @returns {Uint8Array<ArrayBuffer>} */
  read() {
    if (this.#volume) return Uint8Array.from(this.#volume.getCompleteScalarDataArray());
    const images = this.#images.map((image) => image.voxelManager.getScalarData());
    const all = new Uint8Array(images.reduce((sum, image) => sum + image.length, 0));
    images.reduce((at, image) => { all.set(image, at); return at + image.length; }, 0);
    return all;
  }

  /** @param {Changes} changes */
  write({ at, after }) {
    const volume = this.#volume, size = this.#sliceSize;
    if (volume) at.forEach((place, n) => volume.setAtIndex(place, after[n]));
    else {
      const images = this.#images;
      at.forEach((place, n) => images[Math.floor(place / size)].voxelManager.setAtIndex(place % size, after[n]));
    }
    this.#tell(new Set(Array.from(at, (place) => Math.floor(place / size))));
  }

  get #sliceSize() {
    const { dimensions: [ni, nj] } = this.ohif.grid(this.case.displaySet);
    return ni * nj;
  }

  /** @param {Set<number>} slices that changed */
  #tell(slices) {
    this.#writing = true;
    try {
      this.ohif.tools.segmentation.triggerSegmentationEvents.triggerSegmentationDataModified(this.id, [...slices]);
    } finally {
      this.#writing = false;
    }
    this.ohif.render();
  }

  /** Called when one of OHIF's own tools changed voxels. @param {() => void} changed @returns {() => void} stops it */
  onPainted(changed) {
    const listener = (/** @type {any} */ { detail }) =>
      detail.segmentationId === this.id && !this.#writing && changed();
    this.ohif.cornerstone.eventTarget.addEventListener(this.kind, listener);
    return () => this.ohif.cornerstone.eventTarget.removeEventListener(this.kind, listener);
  }
}
