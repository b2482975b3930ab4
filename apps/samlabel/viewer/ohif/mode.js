// samlabel as a mode of OHIF, loaded at run time: `modes: ['https://SERVER/ohif/mode.js']`.

import { hotkeys } from './commands.js';
import { ID, PANEL, ROUTE } from './names.js';
import { Ohif } from './ohif.js';
import { PROTOCOL } from './protocol.js';
import { enter, leave } from './session.js';
import { GROUPS, createToolGroups } from './tools.js';

/** @typedef {import('./ohif.js').Managers} Managers */

const STACK = '@ohif/extension-default.sopClassHandlerModule.stack';
const SEG = '@ohif/extension-cornerstone-dicom-seg';
const MODALITIES = new Set(['CT', 'MR', 'CR', 'DX', 'MG', 'US', 'PT', 'NM', 'XA', 'RF', 'OT', 'SC', 'XC']);

/** OHIF's habits, which a mode has to bring along. */
const VIEWING = [
  ['scaleUpViewport', 'Zoom in', ['+']], ['scaleDownViewport', 'Zoom out', ['-']], ['fitViewportToWindow', 'Zoom to fit', ['=']],
  ['invertViewport', 'Invert', ['i']], ['nextImage', 'Next image', ['down']], ['previousImage', 'Previous image', ['up']],
  ['resetViewport', 'Reset', ['space']],
].map(([commandName, label, keys]) => ({ commandName, label, keys, isEditable: true }));

/** @param {any} toolbarService */
function fillToolbar(toolbarService) {
  const newer = typeof toolbarService.register === 'function';
  const tool = (/** @type {string} */ id, /** @type {string} */ icon, /** @type {string} */ label, /** @type {string[]} */ groups) =>
    ({ id, uiType: newer ? 'ohif.toolButton' : 'ohif.radioGroup', props: { type: 'tool', icon, label,
      commands: { commandName: 'setToolActiveToolbar', commandOptions: { toolGroupIds: groups } },
      evaluate: 'evaluate.cornerstoneTool' } });
  const buttons = [tool('WindowLevel', 'tool-window-level', 'Window Level', GROUPS), tool('Pan', 'tool-move', 'Pan', GROUPS),
    tool('Zoom', 'tool-zoom', 'Zoom', GROUPS), tool('Length', 'tool-length', 'Length', GROUPS),
    tool('Crosshairs', 'tool-crosshair', 'Crosshairs', ['mpr']),
    { id: 'Layout', uiType: 'ohif.layoutSelector',
      props: { rows: 3, columns: 4, evaluate: 'evaluate.action', commands: 'setViewportGridLayout' } }];
  if (newer) {
    toolbarService.register(buttons);
    toolbarService.updateSection('primary', buttons.map(({ id }) => id));
  } else {
    toolbarService.addButtons(buttons);
    toolbarService.createButtonSection('primary', buttons.map(({ id }) => id));
  }
}

/** @param {Managers} managers */
function onModeEnter(managers) {
  const { toolbarService, measurementService } = managers.servicesManager.services;
  measurementService.clearMeasurements();
  createToolGroups(managers, new Ohif(managers));
  fillToolbar(toolbarService);
  enter(managers);
}

/** @param {Managers} managers */
function onModeExit({ servicesManager }) {
  leave();
  const { toolGroupService, syncGroupService, segmentationService, cornerstoneViewportService, uiDialogService,
    uiModalService } = servicesManager.services;
  (uiDialogService.dismissAll ?? uiDialogService.hideAll)?.call(uiDialogService);
  uiModalService.hide();
  [toolGroupService, syncGroupService, segmentationService, cornerstoneViewportService].forEach((one) => one.destroy());
}

/** @param {{modalities: string}} study */
function isValidMode({ modalities }) {
  const valid = modalities.split(/[\\/]/).some((modality) => MODALITIES.has(modality));
  return { valid, description: 'samlabel segments images: CT, MR, radiographs, ultrasound' };
}

const layoutTemplate = () => ({
  id: '@ohif/extension-default.layoutTemplateModule.viewerLayout',
  props: {
    leftPanels: ['@ohif/extension-default.panelModule.seriesList'],
    leftPanelClosed: true,
    leftPanelResizable: true,
    rightPanels: [`${ID}.panelModule.${PANEL}`],
    rightPanelResizable: true,
    viewports: [
      { namespace: '@ohif/extension-cornerstone.viewportModule.cornerstone', displaySetsToDisplay: [STACK] },
      { namespace: `${SEG}.viewportModule.dicom-seg`, displaySetsToDisplay: [`${SEG}.sopClassHandlerModule.dicom-seg`] },
    ],
  },
});

export default {
  id: ID,
  modeFactory: () => ({
    id: ID,
    routeName: ROUTE,
    displayName: 'samlabel',
    onModeEnter,
    onModeExit,
    validationTags: { study: [], series: [] },
    isValidMode,
    routes: [{ path: ROUTE, layoutTemplate }],
    // Only built-in ones: our own id would be taken for a module to import, and is registered by the page's settings.
    extensions: { '@ohif/extension-default': '^3.0.0', '@ohif/extension-cornerstone': '^3.0.0', [SEG]: '^3.0.0' },
    hangingProtocol: PROTOCOL,
    sopClassHandlers: [`${SEG}.sopClassHandlerModule.dicom-seg`, STACK],
    hotkeys: [...hotkeys, ...VIEWING],
  }),
};
