// Label maps as NRRD: bytes in the viewer's order, x fastest.

const through = async (bytes, stream) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());

export async function readNrrd(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const end = bytes.findIndex((value, at) => value === 10 && bytes[at + 1] === 10);
  const header = new TextDecoder().decode(bytes.subarray(0, end));
  const data = bytes.subarray(end + 2);
  return /encoding: *gzip/.test(header) ? through(data, new DecompressionStream('gzip')) : data;
}

export async function writeNrrd(voxels, { dimensions, direction, spacing, origin }) {
  const axis = (n) => `(${[0, 1, 2].map((c) => direction[3 * n + c] * spacing[n]).join(',')})`;
  const header = ['NRRD0004', 'type: unsigned char', 'dimension: 3', 'space: left-posterior-superior',
    `sizes: ${Array.from(dimensions).join(' ')}`, `space directions: ${axis(0)} ${axis(1)} ${axis(2)}`,
    'kinds: domain domain domain', 'endian: little', 'encoding: gzip',
    `space origin: (${Array.from(origin).join(',')})`].join('\n');
  return new Blob([header, '\n\n', await through(voxels, new CompressionStream('gzip'))]);
}
