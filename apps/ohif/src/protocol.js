// How a case is hung: three planes of a volume; one pane for an image that is none.

export const PROTOCOL = 'samlabel';

const sync = (/** @type {string} */ type, /** @type {string} */ id, /** @type {Record<string, unknown>} */ options) =>
  ({ type, id, source: true, target: true, options });

const planes = ['axial', 'sagittal', 'coronal'].map((orientation) => ({
  viewportOptions: {
    viewportId: `mpr-${orientation}`, toolGroupId: 'mpr', viewportType: 'volume', orientation,
    initialImageOptions: { preset: 'middle' },
    syncGroups: [sync('voi', 'mpr', { syncColormap: true })],
  },
  displaySets: [{ id: 'volume' }],
}));

const matching = (/** @type {boolean} */ isVolume) => ({
  seriesMatchingRules: [
    { weight: 1, attribute: 'isReconstructable', constraint: { equals: { value: isVolume } }, required: true },
    ...['SEG', 'SR', 'RTSTRUCT', 'PR'].map((modality) =>
      ({ weight: 1, attribute: 'Modality', constraint: { doesNotEqual: { value: modality } }, required: true })),
  ],
});

const grid = (/** @type {number} */ columns) =>
  ({ layoutType: 'grid', properties: { rows: 1, columns } });

export const hangingProtocol = {
  id: PROTOCOL,
  name: 'samlabel',
  locked: true,
  availableTo: {},
  editableBy: {},
  numberOfPriorsReferenced: 0,
  protocolMatchingRules: [],
  imageLoadStrategy: 'nth',
  callbacks: {},
  displaySetSelectors: { volume: matching(true), image: matching(false) },
  stages: [
    { name: 'three planes', stageActivation: { enabled: { minViewportsMatched: 3 } }, viewportStructure: grid(3),
      viewports: planes },
    { name: 'one image', viewportStructure: grid(1),
      viewports: [{ viewportOptions: { viewportId: 'image', toolGroupId: 'default', viewportType: 'stack' },
        displaySets: [{ id: 'image' }] }] },
  ],
};
