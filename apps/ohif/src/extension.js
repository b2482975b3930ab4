// samlabel as an extension of OHIF, loaded at run time: `extensions: ['https://SERVER/ohif/extension.js']`.

import { CONTEXT, definitions } from './commands.js';
import { ID, PANEL } from './names.js';
import { PROTOCOL, hang } from './protocol.js';
import { place } from './session.js';

/** @param {HTMLElement | null} node that OHIF shows; null when it shows it no more */
const mount = (node) => node?.append(place);

/** OHIF draws with React, which modules loaded at run time cannot import: one element by hand, whose node is ours. */
const component = () => ({ $$typeof: Symbol.for('react.element'), type: 'div', key: null, ref: mount,
  props: { className: 'h-full overflow-hidden' }, _owner: null, _store: {} });

export default {
  id: ID,
  getPanelModule: () => [{ name: PANEL, iconName: 'tab-segmentation', iconLabel: 'samlabel', label: 'samlabel', component }],
  getCommandsModule: () => ({ definitions, defaultContext: CONTEXT }),
  getHangingProtocolModule: () => [{ name: PROTOCOL, protocol: hang }],
};
