import type http2 from 'node:http2';

/** gRPC on node:http2: a Put is two fields of bytes, and all that matters of its answer is the status. */
export function put(
  session: http2.ClientHttp2Session,
  request: Buffer,
  done: (error: Error | null) => void,
): void {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/etcdserverpb.KV/Put',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  let status = 'no status';
  // Refused at once, it comes with the headers.
  stream.on('response', (headers) => {
    status = String(headers['grpc-status'] ?? status);
  });
  stream.on('trailers', (trailers) => {
    status = String(trailers['grpc-status']);
  });
  stream.on('error', done);
  stream.on('end', () => done(status === '0' ? null : new Error(`etcd answers with status ${status}`)));
  stream.resume();
  stream.end(request);
}

/** A gRPC message: not compressed, its length, then PutRequest { bytes key = 1; bytes value = 2; }. */
export function putRequest(key: Buffer, value: Buffer): Buffer {
  const fields = Buffer.concat([field(1, key), field(2, value)]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(fields.length, 1);
  return Buffer.concat([head, fields]);
}

function field(number: number, bytes: Buffer): Buffer {
  const head = [(number << 3) | 2];
  let length = bytes.length;
  for (; length >= 0x80; length >>>= 7) head.push((length & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...head, length]), bytes]);
}
