import { ArgumentError } from './errors.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`; IPv6 hosts stand in brackets. @returns null where it is neither. */
export function parseEndpoint(text: string): Endpoint | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  return port >= 1 && port <= 65_535 ? { host: match[1] ?? match[2] ?? '', port } : null;
}

/** @param endpoints a list, or one text with commas. @throws ArgumentError that names the bad one. */
export function parseEndpoints(endpoints: string | readonly string[]): Endpoint[] {
  const texts = typeof endpoints === 'string' ? endpoints.split(',') : endpoints;
  const parsed = texts.map((text) => {
    const endpoint = parseEndpoint(text.trim());
    if (endpoint === null) throw new ArgumentError(`${JSON.stringify(text)} is no endpoint: write host:port`);
    return endpoint;
  });
  if (parsed.length === 0) throw new ArgumentError('no endpoint was given: write host:port,host:port');
  return parsed;
}

export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
