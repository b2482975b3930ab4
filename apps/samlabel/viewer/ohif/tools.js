// Tools of the panes: OHIF's own in tool groups, and drawing of prompts.

import { CLICKABLE } from './ohif.js';

/** @typedef {import('./ohif.js').Ohif} Ohif */
/** @typedef {import('./ohif.js').Managers} Managers */

export const GROUPS = ['default', 'mpr'];
export const PROMPT = 'SamlabelPrompt';
export const BRUSH = 'CircularBrush', ERASER = 'CircularEraser', THRESHOLD = 'ThresholdCircularBrush';
const TOOLS = '@ohif/extension-cornerstone.utilityModule.tools';

/** A tool that does nothing itself: while it is the primary one, `Drawing` takes what the pointer does.
 * @param {any} cornerstoneTools */
function registerPromptTool(cornerstoneTools) {
  if (cornerstoneTools.state.tools?.[PROMPT]) return;
  class SamlabelPrompt extends cornerstoneTools.BaseTool {}
  Object.assign(SamlabelPrompt, { toolName: PROMPT });
  cornerstoneTools.addTool(SamlabelPrompt);
}

/** Tool groups for the mode, with the habits of OHIF's own modes. @param {Managers} managers @param {Ohif} ohif */
export function createToolGroups({ extensionManager }, ohif) {
  registerPromptTool(ohif.tools);
  const { toolNames, Enums } = extensionManager.getModuleEntry(TOOLS).exports;
  const { Primary, Secondary, Auxiliary, Wheel } = Enums.MouseBindings;
  const bound = (/** @type {string} */ toolName, /** @type {number} */ mouseButton) =>
    ({ toolName, bindings: [{ mouseButton }] });
  const brush = (/** @type {string} */ toolName, /** @type {string} */ activeStrategy) =>
    ({ toolName, parentTool: 'Brush', configuration: { activeStrategy } });
  const tools = () => ({
    active: [bound(toolNames.WindowLevel, Primary), bound(toolNames.Pan, Auxiliary), bound(toolNames.Zoom, Secondary),
      bound(toolNames.StackScroll, Wheel)],
    passive: [{ toolName: PROMPT }, brush(BRUSH, 'FILL_INSIDE_CIRCLE'), brush(ERASER, 'ERASE_INSIDE_CIRCLE'),
      brush(THRESHOLD, 'THRESHOLD_INSIDE_CIRCLE'), { toolName: toolNames.Length }],
    disabled: [{ toolName: toolNames.ReferenceLines }],
  });
  for (const group of GROUPS) {
    const mine = tools();
    if (group === 'mpr') {
      mine.disabled.push(/** @type {any} */ ({ toolName: toolNames.Crosshairs,
        configuration: { disableOnPassive: true, autoPan: { enabled: false, panSize: 10 } } }));
    }
    ohif.services.toolGroupService.createToolGroupAndAddTools(group, mine);
  }
}

/** @param {Ohif} ohif @param {string} toolName */
export function takeTool(ohif, toolName) {
  const { toolGroupService } = ohif.services;
  const groups = GROUPS.filter((id) => toolGroupService.getToolGroup(id)?.hasTool(toolName));
  groups.forEach((toolGroupId) => ohif.commands.runCommand('setToolActive', { toolName, toolGroupId }));
}

/** The tool of the left button. @param {Ohif} ohif */
export const toolTaken = (ohif) => ohif.services.toolGroupService.getActivePrimaryMouseButtonTool(
  ohif.services.toolGroupService.getToolGroupForViewport?.(ohif.services.viewportGridService.getActiveViewportId())?.id
  ?? 'mpr');

/** Called when another tool takes the left button. @param {Ohif} ohif @param {(name: string) => void} taken
 * @returns {() => void} stops it */
export function onTool(ohif, taken) {
  const { toolGroupService: service } = ohif.services;
  const kind = service.EVENTS?.PRIMARY_TOOL_ACTIVATED;
  const subscription = kind && service.subscribe(kind, (/** @type {any} */ { toolName }) => taken(toolName));
  return () => subscription?.unsubscribe();
}

/**
 * What the pointer draws in the panes of a case while the prompt tool is taken. Before OHIF's own tools see it: they
 * wait for a second click before they believe the first.
 */
export class Drawing {
  #stop = new AbortController();
  /** @type {{id: string, pointer: number, path: [number, number][]} | null} */ #now = null;

  /**
   * @param {object} given
   * @param {(x: number, y: number) => {id: string, element: HTMLElement} | undefined} given.paneAt
   * @param {() => boolean} given.active
   * @param {(id: string) => void} given.begun
   * @param {(id: string, path: [number, number][]) => void} given.moved
   * @param {(id: string, path: [number, number][]) => void} given.ended
   */
  constructor(given) {
    this.given = given;
    const options = { capture: true, signal: this.#stop.signal };
    window.addEventListener('pointerdown', (event) => this.#down(event), options);
    window.addEventListener('pointermove', (event) => this.#move(event), options);
    window.addEventListener('pointerup', (event) => this.#up(event), options);
    window.addEventListener('pointercancel', () => { this.#now = null; }, options);
    for (const kind of /** @type {const} */ (['mousedown', 'touchstart'])) {
      window.addEventListener(kind, (event) => { if (this.#now) event.stopPropagation(); }, options);
    }
  }

  stop() { this.#stop.abort(); }

  /** @param {PointerEvent} event */
  #down(event) {
    const target = /** @type {Element} */ (event.target);
    // by its place: an inactive pane lets OHIF's frame around it have the first click
    const pane = this.given.paneAt(event.clientX, event.clientY);
    if (event.button !== 0 || event.ctrlKey || event.shiftKey || event.altKey || !pane) return;
    const near = pane.element.contains(target) || target.contains(pane.element);
    if (!near || target.closest(CLICKABLE) || !this.given.active()) return;
    event.stopPropagation();
    event.preventDefault();
    this.pane = pane.element;
    this.#now = { id: pane.id, pointer: event.pointerId, path: [this.#at(event)] };
    this.given.begun(pane.id);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (this.#now?.pointer !== event.pointerId) return;
    event.stopPropagation();
    this.#now.path.push(...(event.getCoalescedEvents?.() ?? []).map((one) => this.#at(one)), this.#at(event));
    this.given.moved(this.#now.id, this.#now.path);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (this.#now?.pointer !== event.pointerId) return;
    event.stopPropagation();
    const { id, path } = this.#now;
    this.#now = null;
    this.given.ended(id, [...path, this.#at(event)]);
  }

  /** @param {MouseEvent} event @returns {[number, number]} */
  #at(event) {
    const place = /** @type {HTMLElement} */ (this.pane).getBoundingClientRect();
    return [event.clientX - place.left, event.clientY - place.top];
  }
}
