// The panel's look: OHIF's colours and font, by the names that its own style sheet gives them.

export const STYLE = `
.sl { color: hsl(var(--foreground, 0 0% 98%)); font: inherit; font-size: 13px; line-height: 1.45; height: 100%;
  overflow-y: auto; overflow-x: hidden; background: hsl(var(--background, 236 62% 5%)); }
.sl details { border-bottom: 1px solid hsl(var(--input, 236 45% 21%)); }
.sl summary { cursor: pointer; padding: 5px 8px; font-weight: 600; background: hsl(var(--popover, 219 90% 15%)); }
.sl .sl-body { padding: 6px 8px; display: flex; flex-direction: column; gap: 5px; }
.sl .sl-row { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; }
.sl button, .sl select, .sl input[type=text], .sl textarea { background: hsl(var(--muted, 234 64% 10%)); color: inherit;
  border: 1px solid hsl(var(--input, 236 45% 21%)); border-radius: 4px; padding: 2px 7px; font: inherit; min-height: 26px; }
.sl button:hover:not(:disabled) { background: hsl(var(--accent, 217 79% 24%)); }
.sl button[aria-pressed=true] { background: hsl(var(--primary, 214 98% 60%)); color: #000; }
.sl button.sl-main { background: hsl(var(--primary, 214 98% 60%)); color: #000; font-weight: 600; }
.sl button:disabled { opacity: .45; cursor: not-allowed; }
.sl :focus-visible { outline: 2px solid hsl(var(--highlight, 191 74% 63%)); outline-offset: 1px; }
.sl input[type=text] { min-width: 0; flex: 1; }
.sl .sl-note { color: hsl(var(--muted-foreground, 200 46% 65%)); }
.sl .sl-error { color: #ffb4a8; }
.sl .sl-labels { max-height: 200px; overflow-y: auto; display: flex; flex-direction: column; }
.sl .sl-label { display: grid; grid-template-columns: 22px minmax(0, 1fr) auto auto auto; gap: 3px; align-items: center; }
.sl .sl-label > button { border-color: transparent; background: none; padding: 1px 4px; text-align: left;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.sl .sl-label > button[aria-pressed=true] { background: hsl(var(--accent, 217 79% 24%)); color: inherit; }
.sl .sl-label.sl-active { background: hsl(var(--accent, 217 79% 24%)); border-radius: 4px; }
.sl .sl-label.sl-active > button:nth-child(2) { font-weight: 600; }
.sl .sl-label .sl-small { font-size: 12px; text-align: right; }
.sl input[type=color] { width: 20px; height: 20px; padding: 0; border: 0; background: none; cursor: pointer; }
.sl input[type=range] { appearance: auto; background: none; flex: 1; min-width: 60px; height: 18px;
  accent-color: hsl(var(--primary, 214 98% 60%)); }
.sl input[type=checkbox] { accent-color: hsl(var(--primary, 214 98% 60%)); vertical-align: -2px; }
.sl progress { width: 100%; height: 8px; }
.sl .sl-status { position: sticky; top: 0; z-index: 1; padding: 5px 8px; background: hsl(var(--muted, 234 64% 10%));
  border-bottom: 1px solid hsl(var(--input, 236 45% 21%)); min-height: 30px; }
.sl .sl-foot { position: sticky; bottom: 0; z-index: 1; padding: 6px 8px; background: hsl(var(--muted, 234 64% 10%));
  border-top: 1px solid hsl(var(--input, 236 45% 21%)); }
.sl .sl-foot button { flex: 1; }
.sl.sl-waiting details, .sl.sl-waiting .sl-foot { display: none; }
.sl .sl-login { padding: 6px 8px; }
.sl [hidden] { display: none !important; }
`;
