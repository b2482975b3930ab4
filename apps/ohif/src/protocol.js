// How a case is hung: three planes of a volume; one pane for an image that is none.

export const PROTOCOL = 'samlabel';
export const NO_IMAGE = ['SEG', 'SR', 'RTSTRUCT', 'PR', 'KO', 'DOC'];

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
    ...NO_IMAGE.map((modality) =>
      ({ weight: 1, attribute: 'Modality', constraint: { doesNotEqual: { value: modality } }, required: true })),
  ],
});

const grid = (/** @type {number} */ columns) =>
  ({ layoutType: 'grid', properties: { rows: 1, columns } });

/** @param {'volume' | 'image'} kind @param {Record<string, unknown>} stage */
const protocol = (kind, stage) => ({
  id: PROTOCOL,
  name: 'samlabel',
  locked: true,
  availableTo: {},
  editableBy: {},
  numberOfPriorsReferenced: 0,
  protocolMatchingRules: [],
  imageLoadStrategy: 'nth',
  callbacks: {},
  displaySetSelectors: { [kind]: matching(kind === 'volume') },
  stages: [{ name: kind, ...stage }],
});

const volumes = protocol('volume', { viewportStructure: grid(3), viewports: planes });
const images = protocol('image', { viewportStructure: grid(1),
  viewports: [{ viewportOptions: { viewportId: 'image', toolGroupId: 'default', viewportType: 'stack' },
    displaySets: [{ id: 'image' }] }] });

/** OHIF asks when the series of the study are known. @param {{servicesManager: any}} managers */
export function hang({ servicesManager }) {
  // a SEG calls itself a volume, whatever lies below it
  const sets = servicesManager.services.displaySetService.getActiveDisplaySets()
    .filter((/** @type {any} */ set) => !NO_IMAGE.includes(set.Modality));
  const flat = sets.length > 0 && !sets.some((/** @type {any} */ set) => set.isReconstructable);
  return { protocol: flat ? images : volumes };
}
