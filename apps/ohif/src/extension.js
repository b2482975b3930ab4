// samlabel as an extension of OHIF, loaded at run time: `extensions: ['https://SERVER/ohif/extension.js']`.

import { CONTEXT, definitions } from './commands.js';
import { ID, PANEL } from './names.js';
import { current } from './session.js';
import { hangingProtocol } from './protocol.js';

/** The node that the panel is shown in, for as long as OHIF shows it. @param {HTMLElement | null} node */
const mount = (node) => { if (node) current()?.panel.show(node); };

/** OHIF draws with React, which modules loaded at run time cannot import: one element by hand, whose node is ours. */
const component = () => ({ $$typeof: Symbol.for('react.element'), type: 'div', key: null, ref: mount,
  props: { className: 'h-full overflow-hidden' }, _owner: null, _store: {} });

export default {
  id: ID,
  getPanelModule: () => [{ name: PANEL, iconName: 'tab-segmentation', iconLabel: 'samlabel', label: 'samlabel', component }],
  getCommandsModule: () => ({ definitions, defaultContext: CONTEXT }),
  getHangingProtocolModule: () => [{ name: hangingProtocol.id, protocol: hangingProtocol }],
};
