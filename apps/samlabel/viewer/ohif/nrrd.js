// Label maps as NRRD files: bytes with i fastest. Knows no viewer and no server.

/** @param {BlobPart} bytes @param {CompressionStream | DecompressionStream} stream */
export const through = async (bytes, stream) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());

const PLACE = /^(space|space directions|space origin): .*$/gm;

/** Where the voxels of a file are, in the words of its header. @param {Blob} file @returns {Promise<string[]>} */
export async function placeOf(file) {
  const text = new TextDecoder().decode(await file.slice(0, 4096).arrayBuffer());
  return text.slice(0, text.indexOf('\n\n')).match(PLACE) ?? [];
}

/** The voxels of a file. @param {Blob} file */
export async function readNrrd(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const end = bytes.findIndex((value, at) => value === 10 && bytes[at + 1] === 10);
  const header = new TextDecoder().decode(bytes.subarray(0, end));
  if (end < 0 || !header.startsWith('NRRD')) throw new Error('The server sent a label that is no NRRD file.');
  const data = bytes.slice(end + 2);
  return /encoding: *gz(ip)?/.test(header) ? through(data, new DecompressionStream('gzip')) : data;
}

/**
 * A file of voxels.
 * @param {Uint8Array<ArrayBuffer>} voxels @param {import('./geometry.js').Grid} grid
 * @param {string[]} [place] header lines that say where they are, if the server has said so before
 */
export async function writeNrrd(voxels, { dimensions, direction, spacing, origin }, place) {
  const axis = (/** @type {number} */ n) => `(${[0, 1, 2].map((c) => direction[3 * n + c] * spacing[n]).join(',')})`;
  const own = ['space: left-posterior-superior', `space directions: ${axis(0)} ${axis(1)} ${axis(2)}`,
    `space origin: (${Array.from(origin).join(',')})`];
  const header = ['NRRD0004', 'type: unsigned char', 'dimension: 3', ...(place?.length ? place : own),
    `sizes: ${Array.from(dimensions).join(' ')}`, 'kinds: domain domain domain', 'endian: little', 'encoding: gzip'];
  return new Blob([header.join('\n'), '\n\n', await through(voxels, new CompressionStream('gzip'))]);
}
