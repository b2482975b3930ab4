// Names by which the extension and the mode know each other.

export const ID = 'samlabel';
export const PANEL = 'samlabel';
export const ROUTE = 'samlabel';
